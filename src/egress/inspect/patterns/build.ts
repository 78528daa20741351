import type { Anchor, SecretPattern } from './pattern.ts'

/** Text of `length` characters that no one issued, for examples; varied enough not to look like a placeholder. */
export function sample(length: number, alphabet = 'a7Rk2Xq9Zt4Lm8Wc3Vb6Nf5Hj1PdGsYeQuTi0oKx'): string {
  return Array.from({ length }, (_, index) => alphabet[(index * 7 + (index >> 2)) % alphabet.length]).join('')
}

export const HEX = '3f9a0c7e1b5d2846'
export const UPPER = 'Q7X2M4ZKRPVT3WNB6HJ5'
export const DIGITS = '7304918265'

/** A pattern whose text begins with one of `prefixes`, of at least 3 characters. */
export function prefixed(
  [name, provider, domains]: readonly [name: string, provider: string, domains: readonly string[]],
  prefixes: string | readonly string[],
  { regex, positive, negative, isProven }: Shape & Pick<SecretPattern, 'isProven'>,
): SecretPattern {
  const literals = typeof prefixes === 'string' ? [prefixes] : prefixes
  const built = pattern(
    [name, provider, domains],
    { kind: 'literals', literals },
    { regex, positive, ...(negative === undefined ? {} : { negative }) },
  )
  return isProven === undefined ? built : { ...built, isProven }
}

interface Shape {
  readonly regex: RegExp
  readonly positive: string
  readonly negative?: string
}

/** A pattern found otherwise. Without a negative example, it is the positive one cut short. */
export function pattern(
  [name, provider, domains]: readonly [name: string, provider: string, domains: readonly string[]],
  anchor: Anchor,
  { regex, positive, negative = positive.slice(0, -12) }: Shape,
): SecretPattern {
  return { name, provider, domains, anchor, regex, examples: { positive, negative } }
}
