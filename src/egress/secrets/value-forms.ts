/** A value as it may be written before it is cut in pieces. */
export interface ValueForm {
  readonly text: Buffer
  /** Shorter pieces of it may be there by chance. */
  readonly least: number
  /** Pieces begin to be looked for at every so many bytes. */
  readonly stride: number
  /** From and up to which byte of the value the bytes `from` to `end` of the text give, whole ones only; may be none. */
  readonly span: (from: number, end: number) => Span
}

type Span = readonly [from: number, end: number]

/** A piece says at least so much: what chance would hit once in 2^40 places. */
const LEAST_BITS = 40
const SHORTEST = 8
/** Encoded text is more uniform; eight bytes of the value. */
const LEAST_HEX = 16
const LEAST_BASE64 = 11

/** As it is, backwards, in hexadecimal, in base64 at each alignment with either alphabet. */
export function valueForms(value: Buffer): readonly ValueForm[] {
  const { length } = value
  const least = leastOf(value)
  const hex = value.toString('hex')
  return [
    { text: value, least, stride: 1, span: (from, end) => [from, end] },
    {
      text: Buffer.from(value.toReversed()),
      least,
      stride: 1,
      span: (from, end) => [length - end, length - from],
    },
    hexForm(hex),
    hexForm(hex.toUpperCase()),
    ...[0, 1, 2].flatMap((offset) => base64Forms(value, offset)),
  ]
}

function hexForm(text: string): ValueForm {
  return {
    text: Buffer.from(text),
    least: LEAST_HEX,
    stride: 4,
    span: (from, end) => [Math.ceil(from / 2), Math.floor(end / 2)],
  }
}

/** What stands in base64 when `offset` bytes, or three more each time, come before the value. */
function base64Forms(value: Buffer, offset: number): ValueForm[] {
  const encoded = Buffer.concat([Buffer.alloc(offset), value]).toString('base64url')
  // The first and the last character may hold bits of a neighbour.
  const start = Math.ceil((offset * 8) / 6)
  const end = Math.floor(((offset + value.length) * 8) / 6)
  const url = encoded.slice(start, end)
  const standard = url.replaceAll('-', '+').replaceAll('_', '/')
  const span = (from: number, to: number): Span => [
    Math.max(0, Math.ceil(((from + start) * 6) / 8) - offset),
    Math.min(value.length, Math.floor(((to + start) * 6) / 8) - offset),
  ]
  return [...new Set([standard, url])].map((text) => ({
    text: Buffer.from(text),
    least: LEAST_BASE64,
    stride: 2,
    span,
  }))
}

/** By the size of the alphabet: of digits alone it takes more. */
function leastOf(value: Buffer): number {
  const text = value.toString('latin1')
  const isHex = /^[0-9a-f-]*$/.test(text) || /^[0-9A-F-]*$/.test(text)
  const letters = (/[a-z]/.test(text) ? 26 : 0) + (/[A-Z]/.test(text) ? 26 : 0)
  const size = isHex ? (letters === 0 ? 10 : 16) : letters + (/\d/.test(text) ? 10 : 0)
  return Math.max(SHORTEST, Math.ceil(LEAST_BITS / Math.log2(Math.max(2, size))))
}
