import { ALPHANUMERIC, byteClass, HEX_VALUE, TEXT_BYTES } from './byte-class.ts'

/** How numbers give bytes: one each, in words of which either end may come first, or every second one of them. */
export const BASES = [
  'hex',
  'swapped',
  'decimal',
  'even',
  'odd',
  'octal',
  'octal-words',
  'decimal-words',
  'bits',
] as const
export type Base = (typeof BASES)[number]

const [HEX, SWAPPED, DECIMAL, EVEN, ODD, OCTAL, OCTAL_WORDS, DECIMAL_WORDS, BITS] = BASES.map((_, at) => 1 << at) as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
]

/** Numbers from `start` to `end` that give bytes in one base. */
export interface NumberRow {
  readonly base: Base
  readonly start: number
  readonly end: number
}

/** Twelve bytes of text, as numbers of two digits: what is shorter is there by chance. */
const LEAST_ROW = 24

/** What stands before a number: `0x`, `\x`, `0o`; a sign that what is there is none. */
const BARE = 0
const MARKED_HEX = 1
const MARKED_OCTAL = 2
const NO_NUMBER = 3

/** Digits of a word; those of bits may be more. */
const LONGEST_WORD = 16
/** Digits of the longest number in words of two bytes, and of what is longer. */
const MOST_DIGITS = 6

const BACKSLASH = 0x5c
const LETTER_N = 0x6e
const LETTER_O = 0x6f
const LETTER_X = 0x78

/** The rows of numbers in one run of a text that give text, or begin as a compressed stream does. */
export class NumberRows {
  readonly #bytes: Buffer
  readonly #runEnd: number
  readonly #found: NumberRow[] = []
  /** The bases in which a row goes on, where each began, and where the last number ended. */
  #open = 0
  readonly #starts = new Int32Array(BASES.length)
  #last = 0
  #parity: number = EVEN

  constructor(bytes: Buffer, runEnd: number) {
    this.#bytes = bytes
    this.#runEnd = runEnd
  }

  /** Reads numbers from `from` on up to the first that begins at or behind `to`; returns where that is. */
  read(from: number, to: number): number {
    const bytes = this.#bytes
    let at = from
    while (at < to) {
      if (WORD[bytes[at] as number] === 0) {
        at += 1
        continue
      }
      let mark = BARE
      let first = at
      for (; at < this.#runEnd && WORD[bytes[at] as number] === 1; at += 1) {
        const byte = bytes[at] as number
        if (HEX_VALUE[byte] !== -1) continue
        const letter = byte | 0x20
        const isFirst = at === first || (at === first + 1 && bytes[first] === 0x30)
        if (letter === LETTER_N && bytes[at - 1] === BACKSLASH) first = at + 1
        else if (letter === LETTER_X && isFirst) [mark, first] = [MARKED_HEX, at + 1]
        else if (letter === LETTER_O && isFirst) [mark, first] = [MARKED_OCTAL, at + 1]
        else mark = NO_NUMBER
      }
      if (mark !== NO_NUMBER && at > first) this.#number(mark, first, at)
    }
    return at
  }

  /** What was found since the last time; at the end of the run, all. */
  take(isEnd: boolean): readonly NumberRow[] {
    if (isEnd) this.#change(0, this.#runEnd)
    return this.#found.splice(0)
  }

  #number(mark: number, start: number, end: number): void {
    const bases = this.#basesOf(mark, start, end)
    if (bases !== this.#open) this.#change(bases, start)
    this.#last = end
  }

  /** The bases in which the number gives nothing but text; zeros may stand between. */
  #basesOf(mark: number, start: number, end: number): number {
    const bytes = this.#bytes
    const width = end - start
    let most = 0
    let decimal = 0
    let octal = 0
    let byte = 0
    let isText = true
    for (let at = start; at < end; at += 1) {
      const digit = HEX_VALUE[bytes[at] as number] as number
      if (digit > most) most = digit
      if (at - start < MOST_DIGITS) {
        decimal = decimal * 10 + digit
        octal = octal * 8 + digit
      }
      byte = ((byte << 4) | digit) & 0xff
      if (((at - start) & 1) === 1 || width === 1) isText &&= MAY_BE_TEXT[byte] === 1
    }
    let bases = 0
    const isHexadecimal = mark !== MARKED_OCTAL && ((width & 1) === 0 || (width === 1 && mark === MARKED_HEX))
    if (isText && isHexadecimal && width <= LONGEST_WORD) bases |= width > 2 ? HEX | SWAPPED : HEX
    if (mark === MARKED_HEX) return bases
    if (mark === BARE) bases |= this.#inDecimal(most < 10 ? decimal : NONE, start, end)
    if (most > 7) return bases
    if (width > 1 && width < 5 && octal < 256 && MAY_BE_TEXT[octal] === 1) bases |= OCTAL
    if (width === 6 && isTextWord(octal)) bases |= OCTAL_WORDS
    return most < 2 && (width & 7) === 0 ? bases | BITS : bases
  }

  #inDecimal(value: number, start: number, end: number): number {
    const width = end - start
    this.#parity ^= EVEN | ODD
    const byte = width < 4 && value < 256 ? value : NONE
    // Those between may be anything.
    const other = this.#open & (EVEN | ODD) & ~this.#parity
    const words = width === 5 && isTextWord(value) ? DECIMAL_WORDS : 0
    return byte !== NONE && MAY_BE_TEXT[byte] === 1 ? DECIMAL | this.#parity | other | words : other | words
  }

  /** Ends the rows in bases that are no longer among these, and begins those in new ones. */
  #change(bases: number, start: number): void {
    const ended = this.#open & ~bases
    const begun = bases & ~this.#open
    for (let at = 0; at < BASES.length; at += 1) {
      const first = this.#starts[at] as number
      if ((ended & (1 << at)) !== 0 && this.#last - first >= LEAST_ROW)
        this.#found.push({ base: BASES[at] as Base, start: first, end: this.#last })
      if ((begun & (1 << at)) !== 0) this.#starts[at] = start
    }
    this.#open = bases
  }
}

/** What is no byte. */
const NONE = 0x10000

const WORD = byteClass(ALPHANUMERIC)
/** Text, and the zeros of wide text. */
const MAY_BE_TEXT = Uint8Array.from(TEXT_BYTES, (isText, byte) => (byte === 0 ? 1 : isText))

function isTextWord(word: number): boolean {
  return word < NONE && MAY_BE_TEXT[word & 0xff] === 1 && MAY_BE_TEXT[word >> 8] === 1
}

/** How each base writes what gzip, zstd, zlib and zip begin with. */
const PACKED: readonly (readonly [Base, RegExp])[] = [
  ['hex', /^(?:1f ?8b ?08|28 ?b5 ?2f ?fd|78 ?(?:01|9c|da)|50 ?4b ?03 ?04)/],
  ['swapped', /^(?:8b1f ..08|b528 fd2f|(?:01|9c|da)78|4b50 0403)/],
  ['decimal', /^(?:31 139 8|40 181 47 253|120 (?:1|156|218)|80 75 3 4)\b/],
  ['octal', /^(?:037 213 010|050 265 057 375|170 (?:001|234|332)|120 113 003 004)/],
]

/** The run of numbers, when it begins as what is compressed does. */
export function packedRow(bytes: Buffer, start: number, end: number): NumberRow | undefined {
  const numbers = wordsIn(bytes.toString('latin1', start, Math.min(end, start + 64)))
    .join(' ')
    .toLowerCase()
  const found = PACKED.find(([, beginning]) => beginning.test(numbers))
  return found && { base: found[0], start, end }
}

/** The bytes that the numbers of a row give. */
export function bytesOfRow(bytes: Buffer, { base, start, end }: NumberRow): Buffer {
  const numbers = wordsIn(bytes.toString('latin1', start, end))
  switch (base) {
    case 'hex':
      return Buffer.from(
        numbers
          .filter(isHex)
          .map((digits) => digits.padStart(2, '0'))
          .join(''),
        'hex',
      )
    case 'swapped':
      return Buffer.concat(numbers.filter(isHex).map((digits) => Buffer.from(Buffer.from(digits, 'hex').toReversed())))
    case 'decimal':
      return Buffer.from(numbersIn(numbers, 10))
    case 'even':
    case 'odd':
      return Buffer.from(numbersIn(numbers, 10).filter((_, index) => index % 2 === 0))
    case 'octal':
      return Buffer.from(numbersIn(numbers, 8))
    case 'octal-words':
      return wordBytes(numbersIn(numbers, 8))
    case 'decimal-words':
      return wordBytes(numbersIn(numbers, 10))
    case 'bits':
      return Buffer.from(numbers.flatMap((digits) => numbersIn(digits.match(/[01]{8}/g) ?? [], 2)))
  }
}

/** Without what marks them as numbers in their base. */
function wordsIn(text: string): readonly string[] {
  const words = text.replaceAll(/\\+n/g, ' ').match(/[0-9a-z]+/gi) ?? []
  return words.map((word) => word.replace(/^(?:0?[xou]|0b(?=[01]{8}))/i, ''))
}

function isHex(digits: string): boolean {
  return /^[0-9a-f]+$/i.test(digits)
}

function numbersIn(words: readonly string[], base: number): number[] {
  return words.map((digits) => Number.parseInt(digits, base)).filter((number) => !Number.isNaN(number))
}

/** As this machine, and nearly every other, keeps words: the lower byte first. */
function wordBytes(words: readonly number[]): Buffer {
  return Buffer.from(words.flatMap((word) => [word & 0xff, (word >> 8) & 0xff]))
}
