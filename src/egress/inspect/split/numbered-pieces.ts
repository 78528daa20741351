const MOST = 64
/** Longer ones need no order to be known. */
export const LONGEST_NUMBERED = 32
/** So much beside a piece shows what it is part of. */
const NEIGHBOURHOOD = 128

interface NumberedPiece {
  readonly index: number
  readonly bytes: Buffer
}

/** Bytes of pieces in the order of their numbers, around a new one, and the same without it. */
export interface Sorted {
  readonly all: Buffer
  readonly others: Buffer
}

/** The latest pieces of one place with their numbers: those that did not come in their turn are put in it. */
export class NumberedPieces {
  readonly #pieces: NumberedPiece[] = []
  /** How many came since one did not come in its turn. */
  #inTurn = MOST

  /** Undefined as long as the order of arrival is that of the numbers. */
  add(index: number, text: string): Sorted | undefined {
    const before = this.#pieces.at(-1)
    this.#inTurn = before !== undefined && before.index > index ? 0 : this.#inTurn + 1
    if (this.#pieces.length >= MOST) this.#pieces.shift()
    const piece = { index, bytes: Buffer.from(text, 'latin1') }
    this.#pieces.push(piece)
    if (this.#inTurn >= MOST) return undefined
    const sorted = this.#pieces.toSorted((a, b) => a.index - b.index)
    const position = sorted.indexOf(piece)
    const left = nearest(sorted.slice(0, position).toReversed()).toReversed()
    const right = nearest(sorted.slice(position + 1))
    return { all: Buffer.concat([...left, piece.bytes, ...right]), others: Buffer.concat([...left, ...right]) }
  }

  /** Takes back the piece that was added last. */
  drop(): void {
    this.#pieces.pop()
  }
}

function nearest(pieces: readonly NumberedPiece[]): Buffer[] {
  const near: Buffer[] = []
  let length = 0
  for (const { bytes } of pieces) {
    if (length >= NEIGHBOURHOOD) break
    near.push(bytes)
    length += bytes.length
  }
  return near
}
