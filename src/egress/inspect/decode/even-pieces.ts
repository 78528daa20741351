import { Pace, type Steps } from '../steps.ts'
import { ALPHANUMERIC, byteClass, endOfRun, HEX_DIGITS, nextRun, TEXT_BYTES } from './byte-class.ts'

/** What is cut in pieces: tokens, and letters of base64. */
const LETTER = byteClass(`${ALPHANUMERIC}+/=_-`)
/** Of those, what decorates lines too: `- `, `' +`, `// `. */
const MARK = byteClass('+/_-')
const DIGIT = byteClass('0123456789')
const COUNT = byteClass('0123456789 ')
const BACKSLASH = 0x5c
const EQUALS = 0x3d

/** No credential is shorter. */
const LEAST_LETTERS = 20
const LONGEST_PIECE = 128
const LONGEST_GAP = 24
/** Two words of prose are equally long too. The last may be shorter. */
const LEAST_PIECES = 3
/** What is as long is no word, and found quickly. */
const LONG_PIECE = 16
/** Shorter pieces are letters of a text, among which marks are letters too. */
const LEAST_MARKED = 4
const LONGEST_MARK = 3
const LONGEST_COUNT = 6
/** Up to here every place is looked at. */
const SMALL = 8192
/** So many bytes without two letters side by side are no words. */
const LEAST_SINGLES = 24
/** One look in so many bytes: shorter than the pieces and gaps of what is looked for, the last piece left out. */
const STRIDE = 16

/**
 * What is written in pieces of one length with the same between any two, put together: `A K I A`, `["QUtJ", "QVFY"]`, lines
 * with something before or behind them, or numbered. Undefined where there is nothing of the kind.
 */
export function* joinedPieces(bytes: Buffer): Steps<Buffer | undefined> {
  let rows: Rows | undefined
  const places = new Places(bytes)
  const pace = new Pace()
  for (let from = 0; ;) {
    if (pace.isDue(from)) yield pace.take(from)
    const at = places.next(from)
    if (at === -1) return rows?.take()
    const row = rowAround(bytes, at)
    from = row === undefined ? places.after(at) : Math.max(at + STRIDE, yield* (rows ??= new Rows(bytes)).add(row))
  }
}

/** Where there may be pieces. Of a long text only what costs little to find: long pieces, and single characters. */
class Places {
  readonly #bytes: Buffer
  #long = -2

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** The first from `from` on; -1 when there is none. */
  next(from: number): number {
    const bytes = this.#bytes
    if (bytes.length <= SMALL) return from < bytes.length ? from : -1
    if (this.#long !== -1 && this.#long < from) this.#long = nextRun(bytes, LETTER, { least: LONG_PIECE, from })
    const single = nextSingles(bytes, from, this.#long === -1 ? bytes.length : this.#long)
    return single === -1 ? this.#long : single
  }

  /** Where to look next when there were none. */
  after(at: number): number {
    return Math.max(at + STRIDE, at === this.#long ? endOfRun(this.#bytes, LETTER, at) : 0)
  }
}

/** Where, before `before`, a text has no two letters side by side for a while. */
function nextSingles(bytes: Buffer, from: number, before: number): number {
  let start = from
  for (let last = start + LEAST_SINGLES; last < before; last = start + LEAST_SINGLES) {
    let at = last
    while (
      at > start &&
      TEXT_BYTES[bytes[at] as number] === 1 &&
      !(LETTER[bytes[at] as number] === 1 && LETTER[bytes[at - 1] as number] === 1)
    )
      at -= 1
    if (at <= start) return start
    start = at
  }
  return -1
}

/** A piece, and where what stands between two of them stands. */
interface Row {
  readonly start: number
  readonly length: number
  readonly gap: Gap
}

interface Gap {
  readonly start: number
  readonly length: number
}

/** The row that there may be around `at`. */
function rowAround(bytes: Buffer, at: number): Row | undefined {
  let start = pieceStart(bytes, at)
  if (start === -1) return undefined
  const end = start + pieceLength(bytes, start, LONGEST_PIECE)
  start = afterName(bytes, start, end)
  const length = end - start
  const next = length > LONGEST_PIECE ? end : afterGap(bytes, end, length)
  const other = next === end ? 0 : pieceLength(bytes, next, length)
  if (other === 0 || other > length) return undefined
  const row = { length, gap: { start: end, length: next - end } }
  const first = firstOf(bytes, start, row)
  if (first === start && other < length && !isWrapped(bytes, row, other)) return undefined
  return isIdentifier(bytes.subarray(start, end)) ? undefined : { start: first, ...row }
}

/** Two lines of base64 or hexadecimal; names and values of a file have other lengths. */
function isWrapped(bytes: Buffer, { length, gap }: Omit<Row, 'start'>, last: number): boolean {
  // With a mark before each, as in a patch, it is one more.
  const isWhole = length % 4 < 2 && (length - last) % 4 === 0
  return isWhole && length >= LONG_PIECE && isLineGap(bytes, gap)
}

function isLineGap(bytes: Buffer, { start, length }: Gap): boolean {
  const gap = bytes.subarray(start, start + length)
  return gap.includes('\n') || gap.includes('\\n')
}

/** Lists of hashes and UUIDs are as even as anything, and each of them is looked at as it stands. */
function isIdentifier(piece: Buffer): boolean {
  return IDENTIFIER_LENGTHS.has(piece.length) && piece.every((byte) => IDENTIFIER[byte] === 1)
}

const IDENTIFIER_LENGTHS: ReadonlySet<number> = new Set([32, 36, 40, 64])
const IDENTIFIER = byteClass(`${HEX_DIGITS}-`)

/** Where the letters begin that `at` is in or right before; -1 when there are none near. */
function pieceStart(bytes: Buffer, at: number): number {
  let start = at
  while (LETTER[bytes[start] ?? 0] === 0 || isEscapeLetter(bytes, start) || isLoneMark(bytes, start)) {
    start += 1
    if (start - at > LONGEST_GAP) return -1
  }
  while (at - start <= LONGEST_PIECE && LETTER[bytes[start - 1] ?? 0] === 1 && !isEscapeLetter(bytes, start - 1))
    start -= 1
  return start
}

/** How many letters stand from `start` on: up to `most` and one more. */
function pieceLength(bytes: Buffer, start: number, most: number): number {
  let end = start
  while (end - start <= most && LETTER[bytes[end] ?? 0] === 1) end += 1
  return end - start
}

/** The letter of an escaped line end or tab. */
function isEscapeLetter(bytes: Buffer, at: number): boolean {
  const letter = bytes[at]
  return (letter === 0x6e || letter === 0x72 || letter === 0x74) && bytes[at - 1] === BACKSLASH
}

/** Behind `name=`, to which the first piece may be glued. */
function afterName(bytes: Buffer, start: number, end: number): number {
  let equals = end - 1
  while (equals > start && bytes[equals] !== EQUALS) equals -= 1
  return equals <= start || equals + 1 === end ? start : equals + 1
}

/** `+`, `-`, `/` between blanks: in what is cut in single characters there is another one near. */
function isLoneMark(bytes: Buffer, at: number): boolean {
  const isFirst = LETTER[bytes[at - 1] ?? 0] === 0 || isEscapeLetter(bytes, at - 1)
  return isFirst && MARK[bytes[at] ?? 0] === 1 && LETTER[bytes[at + 1] ?? 0] === 0
}

/** Where the next piece begins behind one that ends at `end`: past marks that stand alone, and numbers of lines. */
function afterGap(bytes: Buffer, end: number, length: number): number {
  let at = end
  let isNewLine = false
  while (at < bytes.length && at - end < LONGEST_GAP) {
    const byte = bytes[at] as number
    // Between two fields of a head, which are no pieces of one text.
    if (byte === 0) return end
    if (LETTER[byte] === 0) {
      isNewLine ||= byte === 0x0a
      at += 1
      continue
    }
    if (isEscapeLetter(bytes, at)) {
      isNewLine ||= byte === 0x6e
      at += 1
      continue
    }
    if (length < LEAST_MARKED) return at
    const mark = runOf(bytes, MARK, at, LONGEST_MARK) || (isNewLine ? runOf(bytes, DIGIT, at, LONGEST_COUNT) : 0)
    if (mark === 0 || LETTER[bytes[at + mark] ?? 0] === 1) return at
    at += mark
  }
  return at
}

/** How many bytes of the class stand here, at most so many; 0 where there are more. */
function runOf(bytes: Buffer, members: Uint8Array, start: number, most: number): number {
  let end = start
  while (end - start <= most && members[bytes[end] ?? 0] === 1) end += 1
  return end - start > most ? 0 : end - start
}

/** Rows of pieces of one text; they are never longer than it. */
class Rows {
  readonly #bytes: Buffer
  readonly #letters: Buffer
  #length = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#letters = Buffer.allocUnsafe(bytes.length + 1)
  }

  /** Returns where the row ends. */
  *add(row: Row): Steps<number> {
    const bytes = this.#bytes
    const { start: first, length, gap } = row
    const before = this.#length
    const second = first + length + gap.length
    const mark = bytes[first]
    const isMarked = length >= LEAST_MARKED && MARK[mark ?? 0] === 1 && bytes[second] === mark && isLineGap(bytes, gap)
    const pace = new Pace(first)
    let count = 0
    let end = first
    for (let at = first; at !== -1; at = gapEnd(bytes, end, gap)) {
      if (pace.isDue(at)) yield pace.take(at)
      const letters = pieceLength(bytes, at, length)
      if (letters === 0 || letters > length) break
      const from = isMarked && bytes[at] === mark ? at + 1 : at
      end = at + letters
      this.#length += bytes.copy(this.#letters, this.#length, from, end)
      count += 1
      if (letters < length) break
    }
    const isRow =
      this.#length - before >= LEAST_LETTERS &&
      (count >= LEAST_PIECES || (count === 2 && isWrapped(bytes, row, end - second)))
    if (isRow) this.#letters[this.#length++] = 0x0a
    else this.#length = before
    return end
  }

  take(): Buffer | undefined {
    return this.#length === 0 ? undefined : this.#letters.subarray(0, this.#length)
  }
}

/** Where the first piece of the row begins. To what it may be glued to, such as `key=`, it does not belong. */
function firstOf(bytes: Buffer, start: number, { length, gap }: Omit<Row, 'start'>): number {
  let first = start
  for (;;) {
    const end = first - gap.length
    if (end < length || !isGap(bytes, end, gap)) return first
    let before = end
    while (before > 0 && end - before < length && LETTER[bytes[before - 1] as number] === 1) before -= 1
    if (end - before < length) return first
    first = before
    if (LETTER[bytes[before - 1] ?? 0] === 1 && !isEscapeLetter(bytes, before - 1)) return first
  }
}

/** Where the gap behind a piece ends, a line end before it included; -1 where there is another, or none. */
function gapEnd(bytes: Buffer, end: number, gap: Gap): number {
  if (isGap(bytes, end, gap)) return end + gap.length
  const next = afterLineEnd(bytes, end)
  return next !== -1 && isGap(bytes, next, gap) ? next + gap.length : -1
}

/** Whether what is between two pieces stands here; the numbers of lines may differ. */
function isGap(bytes: Buffer, at: number, { start, length }: Gap): boolean {
  if (at + length > bytes.length) return false
  for (let offset = 0; offset < length; offset += 1) {
    const one = bytes[at + offset] as number
    const other = bytes[start + offset] as number
    if (one !== other && (COUNT[one] === 0 || COUNT[other] === 0)) return false
  }
  return true
}

/** As such or escaped. */
function afterLineEnd(bytes: Buffer, at: number): number {
  if (bytes[at] === 0x0a) return at + 1
  return bytes[at] === BACKSLASH && bytes[at + 1] === 0x6e ? at + 2 : -1
}
