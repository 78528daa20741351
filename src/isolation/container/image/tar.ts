/** One entry of an archive. `path` is relative, with `/` between its parts; owner and time are never recorded. */
export type TarEntry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly size: number; readonly read: Read }

/** The content of a file, exactly `size` bytes. Called each time the archive is written. */
export type Read = () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>

/**
 * Writes a ustar archive (POSIX.1-1988): the same entries give the same bytes, on every machine. Entries go by path, so a
 * folder comes before what lies in it. Throws a RangeError for what a reader could take for something else: paths that
 * leave the archive, repeated paths, sizes and names that the format cannot hold.
 */
export async function* writeTar(entries: readonly TarEntry[]): AsyncGenerator<Uint8Array> {
  const sorted = entries.toSorted((one, other) => (one.path < other.path ? -1 : 1))
  for (const [index, entry] of sorted.entries()) {
    if (sorted[index - 1]?.path === entry.path) throw new RangeError(`twice in one archive: ${quote(entry.path)}`)
    yield header(entry)
    if (entry.kind === 'file') yield* content(entry)
  }
  yield new Uint8Array(2 * BLOCK)
}

const BLOCK = 512

/** Bytes of the archive that `writeTar` makes of these. */
export function tarSize(entries: readonly TarEntry[]): number {
  const sizes = entries.map((entry) => BLOCK + (entry.kind === 'file' ? Math.ceil(entry.size / BLOCK) * BLOCK : 0))
  return sizes.reduce((total, size) => total + size, 2 * BLOCK)
}

async function* content({ path, size, read }: Extract<TarEntry, { kind: 'file' }>): AsyncGenerator<Uint8Array> {
  let written = 0
  for await (const chunk of read()) {
    written += chunk.length
    if (written > size) break
    yield chunk
  }
  if (written !== size) throw new RangeError(`${quote(path)} does not have the ${size} bytes that were announced`)
  if (size % BLOCK !== 0) yield new Uint8Array(BLOCK - (size % BLOCK))
}

/** Fields with their offsets as in POSIX.1-2017, pax, "ustar Interchange Format". */
function header(entry: TarEntry): Uint8Array {
  const block = Buffer.alloc(BLOCK)
  const { name, prefix } = splitPath(checkPath(entry.path), entry.kind)
  block.write(name, 0, 'latin1')
  block.write(octal(entry.mode, 7), 100, 'latin1')
  block.write(octal(0, 7), 108, 'latin1') // user
  block.write(octal(0, 7), 116, 'latin1') // group
  block.write(octal(entry.kind === 'file' ? entry.size : 0, 11), 124, 'latin1')
  block.write(octal(0, 11), 136, 'latin1') // time
  block.write(entry.kind === 'file' ? '0' : '5', 156, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  block.write(prefix, 345, 'latin1')
  block.fill(' ', 148, 156) // The checksum is taken with its own field blank.
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

function checkPath(path: string): string {
  const parts = path.split('/')
  const isPlain = parts.every((part) => part !== '' && part !== '.' && part !== '..')
  if (!isPlain || !/^[\x21-\x7e]+$/.test(path)) throw new RangeError(`not a path for an archive: ${quote(path)}`)
  return path
}

/** 100 bytes for the name, and for longer paths 155 more for the folders before it. */
function splitPath(path: string, kind: TarEntry['kind']): { readonly name: string; readonly prefix: string } {
  const whole = kind === 'directory' ? `${path}/` : path
  if (whole.length <= 100) return { name: whole, prefix: '' }
  const at = path.indexOf('/', whole.length - 101)
  if (at === -1 || at > 155) throw new RangeError(`too long for an archive: ${quote(path)}`)
  return { name: whole.slice(at + 1), prefix: path.slice(0, at) }
}

function octal(value: number, digits: number): string {
  const text = value.toString(8)
  if (!Number.isSafeInteger(value) || value < 0 || text.length > digits)
    throw new RangeError(`too large for an archive: ${value}`)
  return text.padStart(digits, '0')
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 300))
}
