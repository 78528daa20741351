/** One entry of an archive. Paths are relative, without a leading `/`; folders come before what lies in them. */
export type CpioEntry =
  | { readonly kind: 'folder'; readonly path: string; readonly mode?: number }
  | { readonly kind: 'file'; readonly path: string; readonly mode?: number; readonly content: Uint8Array }
  | { readonly kind: 'link'; readonly path: string; readonly to: string }
  /** A character device. */
  | {
      readonly kind: 'device'
      readonly path: string
      readonly mode?: number
      readonly numbers: readonly [number, number]
    }

/** inode(7) */
const TYPES = { folder: 0o040000, file: 0o100000, link: 0o120000, device: 0o020000 } as const
const TRAILER = 'TRAILER!!!'
const LARGEST = 0xffff_ffff

/**
 * An archive in the "newc" format, as the kernel unpacks it for its first file system
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Everything belongs to root and has no date, so that
 * equal entries give equal bytes. Archives may stand one after the other: each is padded to four bytes. Throws a
 * RangeError for a path or a size that the format cannot hold.
 */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const records = entries.map((entry, index) => record(entry, index + 1))
  return Buffer.concat([...records, record({ kind: 'file', path: TRAILER, mode: 0, content: Buffer.alloc(0) }, 0)])
}

function record(entry: CpioEntry, inode: number): Buffer {
  if (inode > 0) checkPath(entry.path)
  const content = contentOf(entry)
  if (content.length > LARGEST) throw new RangeError(`${entry.path} is too large for a cpio archive`)
  const name = Buffer.from(`${entry.path}\0`)
  const [major, minor] = entry.kind === 'device' ? entry.numbers : [0, 0]
  const mode = inode === 0 ? 0 : TYPES[entry.kind] | permissions(entry)
  const links = entry.kind === 'folder' ? 2 : 1
  // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
  const fields = [inode, mode, 0, 0, links, 0, content.length, 0, 0, major, minor, name.length, 0]
  const head = `070701${fields.map((value) => value.toString(16).padStart(8, '0')).join('')}`
  return Buffer.concat([padded(Buffer.concat([Buffer.from(head), name])), padded(content)])
}

function contentOf(entry: CpioEntry): Uint8Array {
  if (entry.kind === 'file') return entry.content
  return entry.kind === 'link' ? Buffer.from(entry.to) : Buffer.alloc(0)
}

function permissions(entry: CpioEntry): number {
  switch (entry.kind) {
    case 'folder':
      return entry.mode ?? 0o755
    case 'file':
      return entry.mode ?? 0o644
    case 'device':
      return entry.mode ?? 0o600
    case 'link':
      return 0o777
  }
}

function checkPath(path: string): void {
  const parts = path.split('/')
  if (path.includes('\0') || path === TRAILER || parts.some((part) => part === '' || part === '.' || part === '..'))
    throw new RangeError(`not a path for a cpio archive: ${JSON.stringify(path)}`)
}

/** To a multiple of four bytes. */
function padded(bytes: Uint8Array): Uint8Array {
  const missing = -bytes.length & 3
  return missing === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(missing)])
}
