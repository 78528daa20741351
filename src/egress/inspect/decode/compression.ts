import { brotliDecompressSync, constants, gunzipSync, inflateRawSync, inflateSync, zstdDecompressSync } from 'node:zlib'

/**
 * What came of a decompression; `used` is how much of the input it took. `over`: it gives more than was asked for;
 * `broken`: it is not what it says.
 */
export type Decompressed =
  | { readonly kind: 'bytes'; readonly bytes: Buffer; readonly used: number }
  | { readonly kind: 'over' | 'broken' }

/** More codings than this on one body serve nobody but an attacker. */
export const MAX_STACKED = 3

/** Inner chunks of chunked signing of S3: what it frames stands in the body as it is. */
const AS_IS: ReadonlySet<string> = new Set(['identity', 'aws-chunked', ''])

/** The codings of a `Content-Encoding` in the order in which they are undone; undefined when one is unknown or they are too many. */
export function codingsOf(contentEncoding: string): readonly string[] | undefined {
  const names = contentEncoding
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => !AS_IS.has(name))
  return names.length > MAX_STACKED || names.some((name) => !CODINGS.has(name)) ? undefined : names.toReversed()
}

const CODINGS: ReadonlySet<string> = new Set(['gzip', 'x-gzip', 'deflate', 'br', 'zstd'])

/** Undoes one coding, giving at most `maxBytes`. A stream that was cut gives what is there, as some servers take it. */
export function decompress(coding: string, bytes: Buffer, maxBytes: number): Decompressed {
  if (bytes.length === 0) return { kind: 'bytes', bytes, used: 0 }
  if (maxBytes < 1) return { kind: 'over' }
  try {
    const decoded = DECODERS[coding]?.(bytes, maxBytes)
    if (decoded === undefined) return { kind: 'broken' }
    return { kind: 'bytes', bytes: decoded.buffer, used: decoded.engine.bytesWritten }
  } catch (error) {
    return { kind: (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? 'over' : 'broken' }
  }
}

/** The format that a stream without a name announces in its first bytes; undefined for any other. */
export function announcedCoding(bytes: Buffer): string | undefined {
  if (bytes.length < 8) return undefined
  if (bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 0x08) return 'gzip'
  if (bytes.readUInt32BE(0) === 0x28b52ffd) return 'zstd'
  return announcesZlib(bytes, 0) ? 'deflate' : undefined
}

/** RFC 1950: method 8, a window of 256 bytes to 32 KiB, a check over both bytes, no preset dictionary. */
export function announcesZlib(bytes: Buffer, at: number): boolean {
  const method = bytes[at] ?? 0
  const flags = bytes[at + 1] ?? 0
  return (method & 0x8f) === 8 && (method * 256 + flags) % 31 === 0 && (flags & 0x20) === 0
}

/**
 * Opens a stream that announced itself and may be followed by anything. Checksums are not compared: what a lenient
 * reader gets is what counts.
 */
export function decompressAnnounced(coding: string, bytes: Buffer, maxBytes: number): Decompressed {
  if (coding === 'zstd') return decompress(coding, bytes, maxBytes)
  const start = coding === 'gzip' ? endOfGzipHeader(bytes) : 2
  return decompress('raw', bytes.subarray(start), maxBytes)
}

/** RFC 1952 section 2.3: extra field, name, comment and checksum of the header, as far as the flags name them. */
function endOfGzipHeader(bytes: Buffer): number {
  const flags = bytes[3] as number
  let at = 10
  if ((flags & 4) !== 0) at += 2 + ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8))
  for (const flag of [8, 16]) {
    if ((flags & flag) !== 0) at = bytes.indexOf(0, at) + 1 || bytes.length
  }
  return (flags & 2) === 0 ? at : at + 2
}

/** With `info` the functions of node:zlib return more than their types say. */
interface WithInfo {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}

type Decoder = (bytes: Buffer, maxOutputLength: number) => WithInfo

const CUT = { finishFlush: constants.Z_SYNC_FLUSH, info: true }
const CUT_BROTLI = { finishFlush: constants.BROTLI_OPERATION_FLUSH, info: true }
/** RFC 9659 section 3: a window of 8 MiB is the most that the coding `zstd` may need. */
const ZSTD = {
  finishFlush: constants.ZSTD_e_flush,
  params: { [constants.ZSTD_d_windowLogMax]: 23 },
  info: true,
}

const gunzip: Decoder = (bytes, maxOutputLength) => withInfo(gunzipSync(bytes, { ...CUT, maxOutputLength }))

const DECODERS: Readonly<Record<string, Decoder>> = {
  gzip: gunzip,
  'x-gzip': gunzip,
  // RFC 9110 section 8.4.1.2: the zlib format, but some send it without its header.
  deflate: (bytes, maxOutputLength) =>
    ((bytes[0] as number) & 0x0f) === 8
      ? withInfo(inflateSync(bytes, { ...CUT, maxOutputLength }))
      : withInfo(inflateRawSync(bytes, { ...CUT, maxOutputLength })),
  zlib: (bytes, maxOutputLength) => withInfo(inflateSync(bytes, { ...CUT, maxOutputLength })),
  raw: (bytes, maxOutputLength) => withInfo(inflateRawSync(bytes, { ...CUT, maxOutputLength })),
  br: (bytes, maxOutputLength) => withInfo(brotliDecompressSync(bytes, { ...CUT_BROTLI, maxOutputLength })),
  zstd: (bytes, maxOutputLength) => withInfo(zstdDecompressSync(bytes, { ...ZSTD, maxOutputLength })),
}

function withInfo(decoded: Buffer): WithInfo {
  return decoded as unknown as WithInfo
}
