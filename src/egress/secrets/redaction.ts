import type { ProtectedValue } from './binding.ts'
import { Desk } from './canonical.ts'
import type { Written } from './forms.ts'
import { NeedleIndex } from './needle-index.ts'
import type { KnownForms } from './text-forms.ts'

/** What takes the place of a needle in a response, and the name of the secret it stands for. */
export interface Replacement {
  readonly name: string
  readonly bytes: Buffer
}

/** A form of a value as it is found in canonical text; how it is replaced depends on how it stands there. */
export interface LooseTarget {
  readonly name: string
  readonly placeholder: string
  readonly value: string
  readonly written: Written
}

/** What to look for in responses and what to write instead, made once for a set of values. */
export interface Redaction {
  /** Values as they are, and as common encoders escape them. */
  readonly exact: NeedleIndex
  /** By position in `exact.needles`. */
  readonly replacements: readonly Replacement[]
  /** In canonical text. */
  readonly loose: NeedleIndex
  /** By position in `loose.needles`. */
  readonly targets: readonly LooseTarget[]
  /** Shorter texts hold no value in any form: escapes and separators only make them longer. */
  readonly shortest: number
  /** How many letters before a needle may belong to it, in base64. */
  readonly leading: number
  /** A line end stands in a form of a value only behind this many characters. */
  readonly leastBeforeLineEnd: number
  /** For one search at a time: what lies on it is looked at before anything else is searched. */
  readonly desk: Desk
}

/** In a stream that may pause at a line end for as long as it likes: what stands there must not be held back. */
const PACED = 6

/** The same for text that comes without pauses: a line may end anywhere in a value, as in wrapped base64. */
export function withoutPauses(redaction: Redaction): Redaction {
  return { ...redaction, leastBeforeLineEnd: 0 }
}

/** Where two secrets have the same value, the first one's placeholder is shown. */
export function redactionOf(values: readonly ProtectedValue[], forms: KnownForms): Redaction {
  const exactly = new Map<string, readonly [Buffer, Replacement]>()
  const loosely = new Map<string, readonly [Buffer, LooseTarget]>()
  for (const { name, placeholder, value: secret } of values) {
    const value = secret.reveal()
    const { spellings, wide, loose } = forms.of(value)
    for (const { key, bytes, rewrite } of [...spellings, ...wide]) {
      if (!exactly.has(key)) exactly.set(key, [bytes, { name, bytes: rewrite(placeholder) }])
    }
    for (const { key, bytes, written } of loose) {
      if (!loosely.has(key)) loosely.set(key, [bytes, { name, placeholder, value, written }])
    }
  }
  const exact = indexOf(exactly.values())
  const loose = indexOf(loosely.values())
  return {
    exact: exact.index,
    replacements: exact.entries,
    loose: loose.index,
    targets: loose.entries,
    shortest: Math.min(exact.index.shortest, loose.index.shortest),
    leastBeforeLineEnd: PACED,
    desk: new Desk(),
    leading: loose.entries.reduce((most, { written }) => Math.max(most, leadingLetters(written)), 0),
  }
}

/** One that holds bits of the byte before, and those that the canonical form leaves out. */
function leadingLetters({ form, isReversed, text }: Written): number {
  if (form.kind !== 'base64' || isReversed) return 0
  return (form.alignment === 0 ? 0 : 1) + /^[-_]*/.exec(text)![0].length
}

/** `entries` by position in the needles. No two needles are alike. */
function indexOf<T>(pairs: Iterable<readonly [Buffer, T]>): {
  readonly index: NeedleIndex
  readonly entries: readonly T[]
} {
  const byNeedle = new Map(pairs)
  const index = new NeedleIndex(byNeedle.keys())
  return { index, entries: index.needles.map((needle) => byNeedle.get(needle) as T) }
}
