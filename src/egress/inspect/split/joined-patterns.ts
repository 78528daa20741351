import type { Hostname } from '../../../policy/host.ts'
import { tellingBytes } from '../../secrets/telling.ts'
import { base64Text } from '../decode/base64.ts'
import { hexText } from '../decode/hex.ts'
import { isAllowedTo, type Allowance } from '../patterns/allowance.ts'
import { finished } from '../steps.ts'
import { LiteralIndex } from '../patterns/literals.ts'
import { PatternMatcher } from '../patterns/matcher.ts'
import type { SecretPattern } from '../patterns/pattern.ts'

/** So much of the literal that begins a credential is looked for, encoded or not. */
export const ANCHOR_BYTES = 12

const LEAST_ENCODED = 4

/** Keys that are told by a line of words. */
const PLAIN_KINDS: ReadonlySet<string> = new Set(['private_key', 'putty_private_key'])

/** So much of a credential is random; words that happen to follow its prefix are not. */
const LEAST_TELLING = 8
const LEAST_SHARE = 0.5

/** In which forms the beginning of a credential stands somewhere. */
export interface Anchors {
  readonly isPlain: boolean
  readonly isEncoded: boolean
}

export const NO_ANCHORS: Anchors = { isPlain: false, isEncoded: false }

export interface JoinedPlace {
  readonly host: Hostname
  readonly anchors: Anchors
}

/** Finds credentials that only several pieces together make, as they are and in base64 or hexadecimal. Immutable. */
export class JoinedPatterns {
  readonly #allowance: Allowance
  readonly #harmless: readonly string[]
  /** Without a literal to look for, and where a hit is no more than likely, joined pieces say nothing. */
  readonly #patterns: readonly SecretPattern[]
  /** Both made for the first request: a start need not wait for them. */
  #madeMatcher: PatternMatcher | undefined
  #madeAnchors: AnchorIndex | undefined

  /** `harmless` are texts that look like credentials and are none: placeholders. */
  constructor(patterns: readonly SecretPattern[], allowance: Allowance, harmless: readonly string[]) {
    this.#allowance = allowance
    this.#harmless = harmless
    this.#patterns = patterns.filter(({ anchor, isGuess }) => anchor.kind !== 'run' && isGuess !== true)
  }

  get #matcher(): PatternMatcher {
    return (this.#madeMatcher ??= new PatternMatcher(this.#patterns))
  }

  /** In which forms a credential may begin in these bytes, from `from` on. */
  anchorsIn(bytes: Buffer, from = 0): Anchors {
    const { index, plain } = (this.#madeAnchors ??= anchorIndex(this.#patterns))
    let isPlain = false
    let isEncoded = false
    index.search(
      bytes,
      (anchor) => {
        if (anchor < plain) isPlain = true
        else isEncoded = true
        return isPlain && isEncoded
      },
      { from },
    )
    return isPlain || isEncoded ? { isPlain, isEncoded } : NO_ANCHORS
  }

  /** The kind of credential that the piece from `fresh` on completes with what is before it; undefined when none. */
  completedBy(bytes: Buffer, fresh: number, { host, anchors }: JoinedPlace): string | undefined {
    return (
      (anchors.isPlain ? this.#completedPlain(bytes, fresh, host) : undefined) ??
      (anchors.isEncoded ? this.#completedEncoded(bytes, fresh, host) : undefined)
    )
  }

  #completedPlain(bytes: Buffer, fresh: number, host: Hostname): string | undefined {
    const names = this.#namesIn(bytes, host, ({ start, end }) => start < fresh && end > fresh)
    if (names.size === 0) return undefined
    const before = this.#namesIn(bytes.subarray(0, fresh), host)
    for (const [name, start] of names) if (before.get(name) !== start) return name
    return undefined
  }

  #completedEncoded(bytes: Buffer, fresh: number, host: Hostname): string | undefined {
    for (const decode of [base64Text, hexText]) {
      const namesOf = (part: Buffer): readonly string[] => {
        const text = finished(decode(part))
        return text === undefined ? [] : [...this.#namesIn(text, host).keys()]
      }
      const names = namesOf(bytes)
      if (names.length === 0) continue
      const known = [bytes.subarray(0, fresh), bytes.subarray(fresh)].flatMap(namesOf)
      const name = names.find((candidate) => !known.includes(candidate))
      if (name !== undefined) return name
    }
    return undefined
  }

  /** The kind of credential that is in `all` and not in `others`. */
  addedTo(others: Buffer, all: Buffer, host: Hostname): string | undefined {
    const known = this.#namesIn(others, host)
    return [...this.#namesIn(all, host).keys()].find((name) => !known.has(name))
  }

  /** Kinds of credentials that may not go to `host`, and where the first of each begins. */
  #namesIn(
    bytes: Buffer,
    host: Hostname,
    counts: (place: { readonly start: number; readonly end: number }) => boolean = () => true,
  ): Map<string, number> {
    const names = new Map<string, number>()
    this.#matcher.search(bytes, ({ pattern, start, end }) => {
      if (!names.has(pattern.name) && counts({ start, end }) && !isAllowedTo(pattern, host, this.#allowance)) {
        const hit = bytes.subarray(start, end)
        if (this.#isCredential(pattern, hit)) names.set(pattern.name, start)
      }
      return false
    })
    return names
  }

  #isCredential({ name, domains }: SecretPattern, hit: Buffer): boolean {
    const text = hit.toString('latin1')
    if (this.#harmless.some((harmless) => harmless.includes(text) || text.includes(harmless))) return false
    if (PLAIN_KINDS.has(name)) return true
    const telling = tellingBytes(hit).reduce((sum, one) => sum + one, 0)
    return telling >= LEAST_TELLING && (domains.length === 0 || telling >= hit.length * LEAST_SHARE)
  }
}

interface AnchorIndex {
  readonly index: LiteralIndex
  /** How many of the anchors are not encoded; these come first. */
  readonly plain: number
}

function anchorIndex(patterns: readonly SecretPattern[]): AnchorIndex {
  const literals = patterns.flatMap(({ anchor }) => (anchor.kind === 'run' ? [] : anchor.literals))
  const anchors = [...literals.map((literal) => Buffer.from(literal, 'latin1')), ...literals.flatMap(encodedAnchors)]
  return { index: new LiteralIndex(anchors.map((anchor) => anchor.subarray(0, ANCHOR_BYTES))), plain: literals.length }
}

/** How a literal looks in base64 at each alignment and in hexadecimal. */
function encodedAnchors(literal: string): Buffer[] {
  const bytes = Buffer.from(literal, 'latin1')
  const hex = bytes.toString('hex')
  const encoded = [0, 1, 2].map((offset) => base64At(bytes, offset)).filter((text) => text.length >= LEAST_ENCODED)
  return [hex, hex.toUpperCase(), ...encoded].map((text) => Buffer.from(text))
}

/** The characters that the literal alone decides when `offset` bytes come before it. */
function base64At(bytes: Buffer, offset: number): string {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
  return encoded.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
}
