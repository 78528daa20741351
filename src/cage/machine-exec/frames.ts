/**
 * What goes between who executes in a machine and the supervisor that has it: a letter, a length in four bytes, and as many
 * bytes. From the one who executes: `request`, then `input` (empty: its end), `signal`, `size`. From the supervisor:
 * `begun`, `taken` for each `input`, `output`, `errors`, and `exit` or `failure` at the end.
 */
const LETTERS = {
  request: 'R',
  input: 'I',
  signal: 'S',
  size: 'W',
  begun: 'B',
  taken: 'A',
  output: 'O',
  errors: 'E',
  exit: 'X',
  failure: 'F',
} as const

export type FrameKind = keyof typeof LETTERS

export interface Frame {
  readonly kind: FrameKind
  readonly content: Buffer
}

const HEAD_BYTES = 5
/** Longest content: a request has the whole environment of a command. */
export const LARGEST_FRAME = 4 * 1024 * 1024
/** Most input, output or errors in one. */
export const LARGEST_DATA = 65_536

const KINDS: ReadonlyMap<string, FrameKind> = new Map(
  Object.entries(LETTERS).map(([kind, letter]) => [letter, kind as FrameKind]),
)

/** Throws a RangeError for content that is too long. */
export function frame(kind: FrameKind, content: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(content)
  if (bytes.length > LARGEST_FRAME) throw new RangeError(`${bytes.length} bytes are too many for one ${kind}`)
  const head = Buffer.alloc(HEAD_BYTES, LETTERS[kind])
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

/** Data of any length, in frames. */
export function dataFrames(kind: FrameKind, data: Buffer): Buffer {
  const count = Math.ceil(data.length / LARGEST_DATA)
  const parts = Array.from({ length: count }, (_, index) =>
    frame(kind, data.subarray(index * LARGEST_DATA, (index + 1) * LARGEST_DATA)),
  )
  return Buffer.concat(parts)
}

/** Takes pieces of any size. Throws a RangeError for what is no frame, and then takes nothing any more. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)
  #broken = false

  push(bytes: Buffer): readonly Frame[] {
    if (this.#broken) return []
    this.#rest = Buffer.concat([this.#rest, bytes])
    const frames: Frame[] = []
    for (let next = this.#next(); next !== undefined; next = this.#next()) frames.push(next)
    return frames
  }

  #next(): Frame | undefined {
    if (this.#rest.length === 0) return undefined
    const kind = KINDS.get(this.#rest.toString('latin1', 0, 1))
    if (kind === undefined) return this.#refuse('it begins with no letter of one')
    if (this.#rest.length < HEAD_BYTES) return undefined
    const end = HEAD_BYTES + this.#rest.readUInt32BE(1)
    if (end - HEAD_BYTES > (kind === 'request' ? LARGEST_FRAME : LARGEST_DATA)) return this.#refuse('it is too long')
    if (this.#rest.length < end) return undefined
    const content = this.#rest.subarray(HEAD_BYTES, end)
    this.#rest = this.#rest.subarray(end)
    return { kind, content }
  }

  #refuse(reason: string): never {
    this.#broken = true
    this.#rest = Buffer.alloc(0)
    throw new RangeError(`not a frame: ${reason}`)
  }
}
