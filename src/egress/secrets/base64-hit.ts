import { CanonicalWalk } from './canonical.ts'

export interface Base64Value {
  readonly bytes: Buffer
  /** The letters that were found, without those at the ends that the canonical form leaves out. */
  readonly start: number
  readonly end: number
  /** Where a unit begins, before them. */
  readonly settled: number
  readonly isLast: boolean
  /** The place of the value's first byte in a group of three. */
  readonly alignment: 0 | 1 | 2
  /** The letters that the value alone decides, URL-safe. */
  readonly core: string
  readonly value: string
  readonly placeholder: string
}

/**
 * A value in base64, and the placeholder as it stands there: what surrounds it decodes as before. Letters that hold bits
 * of neighbours are written anew with these bits; in the middle of a text spaces fill the placeholder up to a length that
 * leaves what follows where it was. Undefined when what follows has to be known first.
 */
export function base64Hit(
  hit: Base64Value,
): { readonly start: number; readonly end: number; readonly bytes: Buffer } | undefined {
  const { bytes, isLast, value, alignment } = hit
  const tailBits = (8 * Buffer.byteLength(value) - headBits(alignment)) % 6
  const left = leftOf(hit)
  const after = hit.end + /[-_]*$/.exec(hit.core)![0].length + (tailBits === 0 ? 0 : 1)
  // With the padding, and one more that tells whether it goes on.
  if (!isLast && after + 3 > bytes.length) return undefined
  const following = tailBits === 0 ? NONE : lastBits(bytes, after - 1, 6 - tailBits)
  const padding = /^={0,2}/.exec(bytes.toString('latin1', after, after + 2))![0].length
  const goesOn = padding === 0 && after < bytes.length && isBase64Letter(bytes[after] as number)
  const text = goesOn ? filledUp(hit.placeholder, value) : hit.placeholder
  const bits = [...left.bits, ...bitsOf(text), ...(goesOn ? following : NONE)]
  const letters = lettersOf(bits, bytes.subarray(left.start, after))
  const length = alignment + Buffer.byteLength(text)
  const isPadded = padding > 0 || (alignment + Buffer.byteLength(value)) % 3 === 0
  const equals = isPadded && !goesOn && !/[-_]/.test(letters) ? '='.repeat((3 - (length % 3)) % 3) : ''
  return { start: left.start, end: Math.min(bytes.length, after + padding), bytes: Buffer.from(letters + equals) }
}

export function isBase64Letter(byte: number): boolean {
  return sixBits(byte) !== -1
}

const NONE: readonly number[] = []

/** How many bits of the value stand in the letter before its core. */
function headBits(alignment: 0 | 1 | 2): number {
  return [0, 4, 2][alignment] as number
}

/** Where the value's letters begin, and the bits of the byte before it; none when the letters before are not there. */
function leftOf({ bytes, start, settled, alignment, core, value }: Base64Value): {
  readonly start: number
  readonly bits: readonly number[]
} {
  const dropped = /^[-_]*/.exec(core)![0].length
  const wanted = dropped + (alignment === 0 ? 0 : 1)
  const first = start - wanted
  const isThere =
    first >= settled &&
    Array.from({ length: wanted }, (_, at) => first + at).every((at) => isBase64Letter(bytes[at] as number)) &&
    new CanonicalWalk(bytes, true, { source: settled, canonical: 0 }).boundaryAt(first) === first
  if (!isThere) return { start, bits: NONE }
  if (alignment === 0) return { start: first, bits: NONE }
  const six = sixBits(bytes[first] as number)
  const head = headBits(alignment)
  const isOwn = (six & (2 ** head - 1)) === (Buffer.from(value)[0] as number) >> (8 - head)
  return isOwn ? { start: first, bits: numberBits(six >> head, 6 - head) } : { start, bits: NONE }
}

/** The last `count` bits of a letter; zeros where there is none. */
function lastBits(bytes: Buffer, at: number, count: number): readonly number[] {
  const six = at < bytes.length ? sixBits(bytes[at] as number) : -1
  return numberBits(six === -1 ? 0 : six & (2 ** count - 1), count)
}

/** As many bytes as the value, or whole groups of three more. */
function filledUp(placeholder: string, value: string): string {
  const missing = (Buffer.byteLength(value) - Buffer.byteLength(placeholder)) % 3
  return placeholder + ' '.repeat((missing + 3) % 3)
}

function bitsOf(text: string): readonly number[] {
  return [...Buffer.from(text)].flatMap((byte) => numberBits(byte, 8))
}

function numberBits(number: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => (number >> (count - 1 - at)) & 1)
}

/** In the alphabet of the letters that stood there; zeros fill the last letter. */
function lettersOf(bits: readonly number[], stood: Buffer): string {
  const isUrlSafe = stood.includes('-') || stood.includes('_')
  const alphabet = `${ALPHANUMERIC}${isUrlSafe ? '-_' : '+/'}`
  let text = ''
  for (let at = 0; at < bits.length; at += 6) {
    let six = 0
    for (let bit = at; bit < at + 6; bit += 1) six = six * 2 + (bits[bit] ?? 0)
    text += alphabet[six]
  }
  return text
}

const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** The value of a letter in either alphabet; -1 when it is none. */
function sixBits(byte: number): number {
  if (byte === 0x2b || byte === 0x2d) return 62
  if (byte === 0x2f || byte === 0x5f) return 63
  return ALPHANUMERIC.indexOf(String.fromCharCode(byte))
}
