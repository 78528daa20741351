/** One kind of credential, and how it is told from other text. */
export interface SecretPattern {
  /** As it stands in reasons and in `allow_to_domains`. */
  readonly name: string
  /** Who issues it, for people. */
  readonly provider: string
  /**
   * The whole credential. Tried where an anchor is found, with bounded quantifiers only, and no two of them next to
   * each other that match the same characters: it is then linear.
   */
  readonly regex: RegExp
  readonly anchor: Anchor
  /** Hosts that it may be sent to, with their subdomains: those of its issuer. */
  readonly domains: readonly string[]
  /** Likely, not certain: a hit is a flag, whatever the action is. */
  readonly isGuess?: true
  /** Whether a checksum in what matched holds: then it is there by no chance, wherever it stands. */
  readonly isProven?: (text: string) => boolean
  /** What the regex alone cannot tell. Gets what matched. */
  readonly confirm?: (text: string) => boolean
  readonly examples: { readonly positive: string; readonly negative: string }
}

/**
 * How places where a credential may stand are found without trying its regex everywhere.
 * `literals`: one of them, of at least 3 bytes, begins it, or with `back` stands within it: then it begins with `start`,
 * `least` to `back` token characters (`[A-Za-z0-9_-]`) before.
 * `run`: a run of token characters of at least this length, which starts with `begins`. Behind `after`, it begins up to `back` characters earlier.
 */
export type Anchor =
  | { readonly kind: 'literals'; readonly literals: readonly string[] }
  | {
      readonly kind: 'inner'
      readonly literals: readonly string[]
      readonly start: string
      readonly least?: number
      readonly back: number
    }
  | {
      readonly kind: 'run'
      readonly least: number
      readonly begins?: string
      readonly after?: string
      readonly back?: number
    }
