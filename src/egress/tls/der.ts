/**
 * Writes ASN.1 in the Distinguished Encoding Rules (X.690): just the types that an X.509 certificate needs.
 * Every function returns one complete value: tag, length, content.
 */

export function sequence(...items: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(items))
}

/** A SET with one element; with more, DER would ask for their order. */
export function setOf(item: Buffer): Buffer {
  return tagged(0x31, item)
}

/** A non-negative INTEGER from its big-endian bytes. */
export function integer(bytes: Uint8Array): Buffer {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const minimal = bytes.length === 0 ? Buffer.of(0) : Buffer.from(bytes.subarray(start))
  // A leading 1 bit would make it negative.
  return tagged(0x02, (minimal[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), minimal]) : minimal)
}

/** TRUE. FALSE is never written: DER leaves defaults out. */
export function booleanTrue(): Buffer {
  return tagged(0x01, Buffer.of(0xff))
}

/** `1.2.840.10045.2.1`, with at least two arcs. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest].flatMap(base128)))
}

export function octetString(content: Buffer): Buffer {
  return tagged(0x04, content)
}

/** `unusedBits` counts the bits at the end of the last byte that do not belong to it. */
export function bitString(content: Buffer, unusedBits = 0): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.of(unusedBits), content]))
}

export function utf8String(text: string): Buffer {
  return tagged(0x0c, Buffer.from(text, 'utf8'))
}

/** UTCTime up to 2049, GeneralizedTime from 2050, both to the second in UTC (RFC 5280 section 4.1.2.5). */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/\.\d+/, '').replace(/[-:T]/g, '')
  const year = date.getUTCFullYear()
  if (year >= 2050) return tagged(0x18, Buffer.from(digits, 'latin1'))
  return tagged(0x17, Buffer.from(digits.slice(2), 'latin1'))
}

/** `[number] IMPLICIT` over a primitive type, given its content. */
export function contextPrimitive(number: number, content: Buffer): Buffer {
  return tagged(0x80 | number, content)
}

/** `[number] EXPLICIT` around a complete value, or `[number] IMPLICIT` over a constructed type's content. */
export function contextConstructed(number: number, content: Buffer): Buffer {
  return tagged(0xa0 | number, content)
}

function tagged(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.of(tag), lengthOf(content), content])
}

function lengthOf({ length }: Buffer): Buffer {
  if (length < 0x80) return Buffer.of(length)
  if (length < 0x100) return Buffer.of(0x81, length)
  if (length < 0x10000) return Buffer.of(0x82, length >> 8, length & 0xff)
  throw new RangeError('a certificate has no value of 64 KiB')
}

function base128(arc: number): number[] {
  const bytes = [arc & 0x7f]
  for (let rest = arc >>> 7; rest > 0; rest >>>= 7) bytes.unshift((rest & 0x7f) | 0x80)
  return bytes
}
