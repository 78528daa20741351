/** How bytes that begin something look in base64 at one of its three alignments. */
export interface Base64Mark {
  /** Bytes of the first group that stand before it. */
  readonly lead: number
  /** By character, from the first that says something on: those that it may be. */
  readonly letters: readonly ReadonlySet<number>[]
  /** Where, in `letters`, three characters in a row are certain. */
  readonly core: number
}

/** Finds marks by their cores: most characters are never looked at. */
export class Base64Marks {
  /** Those whose cores end in it, by byte: random letters end some core at every tenth place. */
  readonly #marks: readonly (readonly Base64Mark[])[]
  /** How far on the next core may end, by the byte that is looked at; 0 where one may end there. */
  readonly #skips = new Uint8Array(256).fill(CORE)

  constructor(beginnings: readonly string[]) {
    const marks = beginnings.flatMap((beginning) =>
      [0, 1, 2].map((lead) => markOf(Buffer.from(beginning, 'latin1'), lead)),
    )
    this.#marks = Array.from({ length: 256 }, (_, byte) =>
      marks.filter(({ letters, core }) => letters[core + CORE - 1]?.has(byte) === true),
    )
    for (const { letters, core } of marks) {
      for (let left = CORE - 1; left >= 0; left -= 1) {
        for (const letter of letters[core + CORE - 1 - left] ?? []) {
          this.#skips[letter] = Math.min(this.#skips[letter] as number, left)
        }
      }
    }
  }

  /** What begins in `text`, which is of base64 only, without line ends: the bytes from there to its end. */
  *beginningsIn(text: Buffer): Generator<Buffer> {
    for (let at = CORE - 1; at < text.length;) {
      const skip = this.#skips[text[at] as number] as number
      if (skip > 0) {
        at += skip
        continue
      }
      const ending = this.#marks[text[at] as number] as readonly Base64Mark[]
      at += 1
      for (const { lead, letters, core } of ending) {
        const start = at - CORE - core
        if (
          start >= 0 &&
          letters[core]?.has(text[start + core] as number) === true &&
          letters.every((some, index) => some.has(text[start + index] as number))
        )
          yield bytesFrom(text, start, lead)
      }
    }
  }
}

const CORE = 3

function bytesFrom(text: Buffer, start: number, lead: number): Buffer {
  return Buffer.from('A'.repeat(lead) + text.toString('latin1', start), 'base64').subarray(lead)
}

/** Six bits a character, of which those of other bytes are unknown. */
function markOf(beginning: Buffer, lead: number): Base64Mark {
  const first = lead * 8
  const last = first + beginning.length * 8
  const letters: ReadonlySet<number>[] = []
  let core = -1
  let certain = 0
  for (let from = lead * 6; from < last; from += 6) {
    let [known, bits] = [0, 0]
    for (let bit = from; bit < from + 6; bit += 1) {
      const isKnown = bit >= first && bit < last
      const value = isKnown ? ((beginning[(bit - first) >> 3] as number) >> (7 - ((bit - first) & 7))) & 1 : 0
      known = (known << 1) | (isKnown ? 1 : 0)
      bits = (bits << 1) | value
    }
    letters.push(lettersOf(known, bits))
    certain = known === 0x3f ? certain + 1 : 0
    if (certain === CORE && core === -1) core = letters.length - CORE
  }
  return { lead, letters, core }
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** The characters, of both alphabets, whose known bits are these. */
function lettersOf(known: number, bits: number): ReadonlySet<number> {
  const text = Array.from(ALPHABET).filter((_, value) => (value & known) === bits)
  const letters = new Set(Buffer.from(text.join('')))
  if (letters.has(0x2b)) letters.add(0x2d)
  if (letters.has(0x2f)) letters.add(0x5f)
  return letters
}
