import { isGitRequest } from './content-type-git.ts'

/** What of some bytes a signature looks at: the start, the end and how many there are. */
export interface Sample {
  readonly head: Buffer
  readonly tail: Buffer
  readonly size: number
}

/** Enough for the commands of a push, which come before the pack. */
const HEAD_BYTES = 65_536
const TAIL_BYTES = 1024

export function sampleOf(bytes: Buffer): Sample {
  return {
    head: bytes.subarray(0, HEAD_BYTES),
    tail: bytes.subarray(Math.max(0, bytes.length - TAIL_BYTES)),
    size: bytes.length,
  }
}

type Kind = 'image' | 'audio' | 'video' | 'font' | 'document' | 'archive' | 'program' | 'git'

interface Signature {
  readonly kind: Kind
  /** Media types it stands for, as prefixes; images, audio, video and fonts go by their kind. */
  readonly types?: readonly string[]
  matches(sample: Sample): boolean
}

const ZIPS = [
  'application/zip',
  'application/x-zip-compressed',
  'application/java-archive',
  'application/epub+zip',
  'application/x-wheel+zip',
  'application/vnd.android.package-archive',
]

/**
 * What a format's bytes begin with, and where it is cheap also what they end with or say of their own size, so that
 * eight bytes in front of something else are not enough. It is no proof: data can be hidden inside a valid picture.
 */
const SIGNATURES: readonly Signature[] = [
  {
    kind: 'image',
    matches: ({ head, tail }) => starts(head, '89504e470d0a1a0a') && ascii(head, 12, 'IHDR') && tail.includes('IEND'),
  },
  { kind: 'image', matches: ({ head, tail }) => starts(head, 'ffd8ff') && tail.includes(Buffer.from('ffd9', 'hex')) },
  {
    kind: 'image',
    matches: ({ head, tail }) => (ascii(head, 0, 'GIF89a') || ascii(head, 0, 'GIF87a')) && tail.at(-1) === 0x3b,
  },
  { kind: 'image', matches: (sample) => isRiff(sample, 'WEBP') },
  { kind: 'image', matches: ({ head, size }) => ascii(head, 0, 'BM') && size > 26 && head.readUInt32LE(2) === size },
  { kind: 'image', matches: ({ head }) => starts(head, '49492a00') || starts(head, '4d4d002a') },
  {
    kind: 'image',
    matches: ({ head }) => starts(head, '00000100') && head.length > 22 && head[4] !== 0 && head[5] === 0,
  },
  {
    kind: 'image',
    matches: ({ head }) =>
      ascii(head, 4, 'ftyp') && /^(?:avi[fs]|hei[cx]|mif1|msf1)/.test(head.toString('latin1', 8, 12)),
  },
  { kind: 'audio', matches: (sample) => isRiff(sample, 'WAVE') },
  {
    kind: 'audio',
    matches: ({ head }) => ascii(head, 0, 'ID3') || ((head[0] ?? 0) === 0xff && ((head[1] ?? 0) & 0xe6) === 0xe2),
  },
  {
    kind: 'audio',
    matches: ({ head }) =>
      ascii(head, 0, 'fLaC') || ascii(head, 0, 'OggS') || ascii(head, 4, 'ftyp') || starts(head, '1a45dfa3'),
  },
  {
    kind: 'video',
    matches: ({ head }) => ascii(head, 4, 'ftyp') || ascii(head, 0, 'OggS') || starts(head, '1a45dfa3'),
  },
  { kind: 'video', matches: (sample) => isRiff(sample, 'AVI ') },
  {
    kind: 'font',
    matches: ({ head, size }) =>
      (ascii(head, 0, 'wOF2') || ascii(head, 0, 'wOFF')) && size > 12 && head.readUInt32BE(8) === size,
  },
  { kind: 'font', matches: ({ head }) => ascii(head, 0, 'OTTO') || (starts(head, '00010000') && head[4] === 0) },
  {
    kind: 'document',
    types: ['application/pdf'],
    matches: ({ head, tail }) => ascii(head, 0, '%PDF-') && tail.includes('%%EOF'),
  },
  {
    kind: 'document',
    types: ['application/vnd.openxmlformats-officedocument.'],
    matches: (sample) => isZip(sample) && sample.head.subarray(0, 4096).includes('[Content_Types].xml'),
  },
  { kind: 'archive', types: ZIPS, matches: isZip },
  {
    kind: 'archive',
    types: ['application/gzip', 'application/x-gzip', 'application/x-tgz', 'application/x-compressed-tar'],
    matches: ({ head }) => starts(head, '1f8b08') && ((head[3] ?? 0xff) & 0xe0) === 0,
  },
  {
    kind: 'archive',
    types: ['application/zstd', 'application/x-zstd'],
    matches: ({ head }) => starts(head, '28b52ffd'),
  },
  { kind: 'archive', types: ['application/x-xz'], matches: ({ head }) => starts(head, 'fd377a585a00') },
  {
    kind: 'archive',
    types: ['application/x-bzip2'],
    matches: ({ head }) => /^BZh[1-9]1AY&SY/.test(head.toString('latin1', 0, 10)),
  },
  { kind: 'archive', types: ['application/x-tar'], matches: ({ head }) => ascii(head, 257, 'ustar') },
  { kind: 'program', types: ['application/wasm'], matches: ({ head }) => starts(head, '0061736d01000000') },
  {
    kind: 'git',
    types: ['application/x-git-receive-pack-request', 'application/x-git-upload-pack-request'],
    matches: ({ head, size }) => isGitRequest(head, size),
  },
]

const MEDIA: ReadonlySet<string> = new Set(['image', 'audio', 'video', 'font'])

/** What `data:` URLs and the images and documents in messages to models are: never archives. */
const EMBEDDED: ReadonlySet<Kind> = new Set(['image', 'audio', 'video', 'font', 'document', 'program'])

/**
 * Whether the bytes are what the media type (lower case, no parameters) claims. `application/octet-stream` claims to
 * be some known format. Undefined: the type is not one whose signature is known.
 */
export function verifyType(type: string, sample: Sample): boolean | undefined {
  const group = type.slice(0, type.indexOf('/'))
  const known = MEDIA.has(group)
    ? SIGNATURES.filter(({ kind }) => kind === group)
    : type === 'application/octet-stream'
      ? SIGNATURES
      : SIGNATURES.filter(({ types }) => types?.some((prefix) => type.startsWith(prefix)))
  return known.length === 0 ? undefined : known.some((signature) => signature.matches(sample))
}

/** Whether the bytes are a picture, sound, film, font, document or WebAssembly module. */
export function isEmbeddable(sample: Sample): boolean {
  return SIGNATURES.some((signature) => EMBEDDED.has(signature.kind) && signature.matches(sample))
}

/** Whether the bytes are an archive or a compressed file. */
export function isArchive(sample: Sample): boolean {
  return SIGNATURES.some((signature) => signature.kind === 'archive' && signature.matches(sample))
}

function starts(head: Buffer, hex: string): boolean {
  return head.subarray(0, hex.length / 2).equals(Buffer.from(hex, 'hex'))
}

function ascii(head: Buffer, at: number, text: string): boolean {
  return head.toString('latin1', at, at + text.length) === text
}

/** A chunk that says how long it is, with at most one byte of padding. */
function isRiff({ head, size }: Sample, form: string): boolean {
  return ascii(head, 0, 'RIFF') && ascii(head, 8, form) && size >= 12 && Math.abs(head.readUInt32LE(4) + 8 - size) <= 1
}

function isZip({ head, tail }: Sample): boolean {
  return starts(head, '504b0304') && tail.includes(Buffer.from('504b0506', 'hex'))
}
