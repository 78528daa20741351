import { CageError } from '../../../errors.ts'

/** One entry of an archive, its name as written. */
export interface TarEntry {
  readonly kind: 'file' | 'folder' | 'symlink' | 'hardlink' | 'other'
  readonly path: string
  /** Of a link. */
  readonly target: string
  readonly mode: number
  readonly size: number
}

const BLOCK = 512
/** Most bytes of a name or of attributes. */
const LONGEST_META = 64 * 1024

const KINDS: Readonly<Record<string, TarEntry['kind']>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'folder',
}

/**
 * Reads an archive in the format of POSIX (ustar, pax) or GNU tar as it comes, holding one block of it: entries, and the
 * content of each after it, in pieces. Throws `config_invalid` for what is neither, for a wrong checksum and for an archive
 * that is cut off.
 */
export async function* readTar(archive: AsyncIterable<Buffer>): AsyncGenerator<TarEntry | Buffer> {
  const reader = new TarReader()
  for await (const bytes of archive) yield* reader.push(bytes)
  reader.end()
}

type Meta = 'x' | 'g' | 'L' | 'K'

class TarReader {
  #found: (TarEntry | Buffer)[] = []
  #rest: Buffer = Buffer.alloc(0)
  /** Bytes to come of the entry's content, and what fills its last block. */
  #left = 0
  #padding = 0
  #meta: { readonly kind: Meta; bytes: Buffer } | undefined
  #next: { path?: string; target?: string; size?: number } = {}
  #ended = false

  push(bytes: Buffer): readonly (TarEntry | Buffer)[] {
    this.#found = []
    let rest: Buffer = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    while (!this.#ended) {
      const used = this.#step(rest)
      if (used === 0) break
      rest = rest.subarray(used)
    }
    this.#rest = this.#ended ? Buffer.alloc(0) : Buffer.from(rest)
    return this.#found
  }

  /** Two empty blocks should end an archive; many end with their last entry. */
  end(): void {
    if (this.#left > 0 || this.#meta !== undefined || this.#rest.length > 0) throw broken('it is cut off')
  }

  /** How many bytes were used; 0: more are needed. */
  #step(bytes: Buffer): number {
    if (this.#left > 0) return this.#content(bytes)
    if (this.#padding > 0) {
      const skipped = Math.min(this.#padding, bytes.length)
      this.#padding -= skipped
      return skipped
    }
    if (this.#meta !== undefined) this.#takeMeta(this.#meta)
    if (bytes.length < BLOCK) return 0
    this.#header(bytes.subarray(0, BLOCK))
    return BLOCK
  }

  #content(bytes: Buffer): number {
    const part = bytes.subarray(0, this.#left)
    this.#left -= part.length
    if (this.#meta === undefined) this.#found.push(part)
    else this.#meta.bytes = Buffer.concat([this.#meta.bytes, part])
    if (this.#left === 0 && this.#meta !== undefined && this.#padding === 0) this.#takeMeta(this.#meta)
    return part.length
  }

  #header(block: Buffer): void {
    if (block.every((byte) => byte === 0)) {
      this.#ended = true
      return
    }
    checkSum(block)
    const type = block.toString('latin1', 156, 157)
    const size = this.#next.size ?? number(block, 124, 12)
    this.#left = size
    this.#padding = -size & (BLOCK - 1)
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K') {
      if (size > LONGEST_META) throw broken('a name in it is too long')
      this.#meta = { kind: type, bytes: Buffer.alloc(0) }
      return
    }
    const kind = KINDS[type] ?? 'other'
    const { path = name(block), target = text(block, 157, 100) } = this.#next
    this.#next = {}
    if (kind !== 'file') this.#left = kind === 'other' ? size : 0
    if (kind !== 'file' && kind !== 'other' && size > 0)
      throw broken(`${JSON.stringify(path)} has content and is no file`)
    this.#found.push({ kind, path, target, mode: number(block, 100, 8) & 0o7777, size: this.#left })
  }

  #takeMeta({ kind, bytes }: { readonly kind: Meta; readonly bytes: Buffer }): void {
    this.#meta = undefined
    const line = bytes.toString('utf8').replace(/\0+$/, '')
    if (kind === 'L') this.#next.path = line
    else if (kind === 'K') this.#next.target = line
    else if (kind === 'x') this.#next = { ...this.#next, ...paxFields(bytes) }
  }
}

/** `LENGTH KEY=VALUE\n`, the length counting all of it (pax, IEEE Std 1003.1). */
function paxFields(bytes: Buffer): { path?: string; target?: string; size?: number } {
  const fields: { path?: string; target?: string; size?: number } = {}
  for (let start = 0; start < bytes.length;) {
    const length = Number(/^([1-9][0-9]{0,6}) /.exec(bytes.toString('latin1', start, start + 9))?.[1])
    const record = bytes.toString('utf8', start, start + length)
    const parts = /^[0-9]+ ([^=]+)=([^]*)\n$/.exec(record)
    if (!(start + length <= bytes.length) || parts === null) throw broken('its attributes are not pax')
    const [, key = '', value = ''] = parts
    if (key.startsWith('GNU.sparse')) throw broken('it has sparse files')
    if (key === 'path') fields.path = value
    if (key === 'linkpath') fields.target = value
    if (key === 'size') fields.size = decimal(value)
    start += length
  }
  return fields
}

function decimal(value: string): number {
  if (!/^(?:0|[1-9][0-9]{0,14})$/.test(value)) throw broken('a size in it is no number')
  return Number(value)
}

function checkSum(block: Buffer): void {
  const said = number(block, 148, 8)
  const sum = block.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0)
  if (said !== sum) throw broken('a checksum in it is wrong')
}

/** Octal digits; for large files GNU tar writes binary, marked by the first bit. */
function number(block: Buffer, start: number, length: number): number {
  if (((block[start] ?? 0) & 0x80) !== 0) {
    const value = block.readBigUInt64BE(start + length - 8)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw broken('a number in it is too large')
    return Number(value)
  }
  const digits = text(block, start, length).trim()
  if (!/^[0-7]*$/.test(digits)) throw broken('a number in it is none')
  return Number.parseInt(digits || '0', 8)
}

function name(block: Buffer): string {
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? text(block, 345, 155) : ''
  return prefix === '' ? text(block, 0, 100) : `${prefix}/${text(block, 0, 100)}`
}

function text(block: Buffer, start: number, length: number): string {
  const bytes = block.subarray(start, start + length)
  const end = bytes.indexOf(0)
  return bytes.toString('utf8', 0, end < 0 ? length : end)
}

function broken(reason: string): CageError {
  return new CageError('config_invalid', `not an archive of an image: ${reason}`)
}
