import type { ProtectedValue } from './binding.ts'
import { encode, spellings } from './dialect.ts'
import { canonicalForms, LEAST_BYTES, twiceEncodedForms, type Written } from './forms.ts'
import { NeedleIndex } from './needle-index.ts'

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
}

/** In a stream that may pause at a line end for as long as it likes: what stands there must not be held back. */
const PACED = 6

/** The same for text that comes without pauses: a line may end anywhere in a value, as in wrapped base64. */
export function withoutPauses(redaction: Redaction): Redaction {
  return { ...redaction, leastBeforeLineEnd: 0 }
}

/** Where two secrets have the same value, the first one's placeholder is shown. */
export function redactionOf(values: readonly ProtectedValue[]): Redaction {
  const exactly = new Map<string, Replacement>()
  const loosely = new Map<string, LooseTarget>()
  for (const { name, placeholder, value } of values) {
    for (const { dialect, text } of spellings(value.reveal())) {
      const key = Buffer.from(text).toString('latin1')
      if (!exactly.has(key)) exactly.set(key, { name, bytes: encode(placeholder, dialect) })
    }
    for (const spell of wideSpellings(value.reveal())) {
      const key = spell(value.reveal()).toString('latin1')
      if (!exactly.has(key)) exactly.set(key, { name, bytes: spell(placeholder) })
    }
    for (const { bytes, ...written } of [...canonicalForms(value.reveal()), ...twiceEncodedForms(value.reveal())]) {
      const key = bytes.toString('latin1')
      if (!loosely.has(key)) loosely.set(key, { name, placeholder, value: value.reveal(), written })
    }
  }
  const exact = indexOf(exactly)
  const loose = indexOf(loosely)
  return {
    exact,
    replacements: exact.needles.map((needle) => exactly.get(needle.toString('latin1')) as Replacement),
    loose,
    targets: loose.needles.map((needle) => loosely.get(needle.toString('latin1')) as LooseTarget),
    shortest: Math.min(exact.shortest, loose.shortest),
    leastBeforeLineEnd: PACED,
    leading: Math.max(0, ...[...loosely.values()].map(({ written }) => leadingLetters(written))),
  }
}

type Spell = (text: string) => Buffer

const littleEnd: Spell = (text) => Buffer.from(text, 'utf16le')
const bigEnd: Spell = (text) => littleEnd(text).swap16()
/** What both orders of bytes have in common where every second byte is zero. */
const eitherEnd: Spell = (text) => littleEnd(text).subarray(0, -1)

/** UTF-16: what some programs of Windows and Java answer in. */
function wideSpellings(text: string): readonly Spell[] {
  if (Buffer.byteLength(text) < LEAST_BYTES) return []
  return /^[\0-\xff]*$/.test(text) ? [eitherEnd] : [littleEnd, bigEnd]
}

/** One that holds bits of the byte before, and those that the canonical form leaves out. */
function leadingLetters({ form, isReversed, text }: Written): number {
  if (form.kind !== 'base64' || isReversed) return 0
  return (form.alignment === 0 ? 0 : 1) + /^[-_]*/.exec(text)![0].length
}

function indexOf(byNeedle: ReadonlyMap<string, unknown>): NeedleIndex {
  return new NeedleIndex([...byNeedle.keys()].map((key) => Buffer.from(key, 'latin1')))
}
