/** Bytes that are looked at together. */
export const GRAM = 8

/** From this many on, eight bytes are no part of words, names or numbers that everybody writes. */
const TELLING = 3

/**
 * Which bytes of a text tell it from ordinary text, 1 each: those in any eight that change often between small letters,
 * capitals and digits, or hold pairs of letters that words do not. `my-password-x7Rk29Zq4L` is told by its end.
 */
export function tellingBytes(text: Uint8Array): Uint8Array {
  const telling = new Uint8Array(text.length)
  for (let at = 0; at + GRAM <= text.length; at += 1) {
    if (isTelling(text, at)) telling.fill(1, at, at + GRAM)
  }
  return telling
}

/** The share of telling bytes, 0 to 1. */
export function tellingShare(text: Uint8Array): number {
  let count = 0
  for (const telling of tellingBytes(text)) count += telling
  return text.length === 0 ? 0 : count / text.length
}

/** Whether the eight bytes at `at` could hardly stand in ordinary text. */
function isTelling(text: Uint8Array, at: number): boolean {
  let score = 0
  let before = 0
  let digits = 0
  let hexadecimal = 0
  for (let index = at; index < at + GRAM; index += 1) {
    const kind = kindOf(text[index] as number)
    if (kind === OTHER) continue
    if (kind === DIGIT) digits += 1
    if (kind === DIGIT || ((text[index] as number) | 0x20) <= 0x66) hexadecimal += 1
    if (before !== 0 && kind !== before) score += 1
    else if (index > at && isRarePair(text[index - 1] as number, text[index] as number)) score += 1
    before = kind
  }
  if (digits === GRAM) return isUnevenNumber(text, at)
  // Sixteen characters change less often among themselves.
  return score >= (hexadecimal === GRAM ? TELLING - 1 : TELLING)
}

const OTHER = 0
const SMALL = 1
const CAPITAL = 2
const DIGIT = 3

function kindOf(byte: number): number {
  if (byte >= 0x61 && byte <= 0x7a) return SMALL
  if (byte >= 0x41 && byte <= 0x5a) return CAPITAL
  return byte >= 0x30 && byte <= 0x39 ? DIGIT : OTHER
}

/** Five digits or more that differ, and no counting up, down or on the spot. */
function isUnevenNumber(text: Uint8Array, at: number): boolean {
  const digits = text.subarray(at, at + GRAM)
  let steps = 0
  for (let index = 1; index < GRAM; index += 1) {
    if (Math.abs((digits[index] as number) - (digits[index - 1] as number)) <= 1) steps += 1
  }
  return new Set(digits).size >= 5 && steps <= 3
}

/** For each letter those that follow it in words, names and abbreviations: all but 1.5 % of the pairs in documentation. */
const FOLLOWERS = [
  'bcdfgiklmnprstuvwxy',
  'aceijlorsuy',
  'acehiklorstuy',
  'abcdefilmnoprstuy',
  'abcdefghijlmnopqrstuvwxyz',
  'aefilorstuy',
  'aeghilmnorstu',
  'aeimorstu',
  'abcdefgklmnoprstvxz',
  'aeosu',
  'aeilnosy',
  'abcdefiloprstuvy',
  'abeilmopsuy',
  'acdefgiklmnoprstuvy',
  'abcdefgijklmnoprstuvwy',
  'acdehiloprstuy',
  'u',
  'abcdefgiklmnoprstuvwy',
  'acdefhiklmnopqrstuwy',
  'abcdefhilmnoprstuwyz',
  'abcdefgilmnprst',
  'aeiouy',
  'aehinorsw',
  'aceiptuy',
  'abceilmnopstw',
  'aeioz',
] as const

const LETTERS = 26
const RARE = rarePairs()

function rarePairs(): Uint8Array {
  const rare = new Uint8Array(LETTERS * LETTERS).fill(1)
  for (const [first, followers] of FOLLOWERS.entries()) {
    for (const second of Buffer.from(followers)) rare[first * LETTERS + second - 0x61] = 0
  }
  return rare
}

function isRarePair(first: number, second: number): boolean {
  if (kindOf(first) % DIGIT === OTHER || kindOf(second) % DIGIT === OTHER) return false
  return RARE[((first | 0x20) - 0x61) * LETTERS + (second | 0x20) - 0x61] === 1
}
