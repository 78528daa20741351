import { createHash } from 'node:crypto'

/**
 * The hash by which OpenSSL looks a certificate up in a folder: `openssl x509 -subject_hash`, eight hex digits.
 * SHA-1 over the subject in OpenSSL's canonical form (crypto/x509/x_name.c, x509_name_canon): every string becomes
 * a UTF8String in lower case, trimmed and with single blanks; the SEQUENCE around the name is left out.
 */
export function subjectHash(certificate: Uint8Array): string {
  const name = children(subjectOf(Buffer.from(certificate)))
  const canonical = Buffer.concat(name.map((set) => element(SET, Buffer.concat(children(set.content).map(attribute)))))
  return createHash('sha1').update(canonical).digest().readUInt32LE(0).toString(16).padStart(8, '0')
}

interface Element {
  readonly tag: number
  readonly content: Buffer
  /** With tag and length. */
  readonly whole: Buffer
}

const SET = 0x31
const SEQUENCE = 0x30
const UTF8_STRING = 0x0c
const PRINTABLE_STRING = 0x13
const T61_STRING = 0x14
const IA5_STRING = 0x16
const VISIBLE_STRING = 0x1a
const VERSION_TAG = 0xa0

/** RFC 5280, section 4.1: version [0], serial number, signature, issuer, validity, subject. */
function subjectOf(certificate: Buffer): Buffer {
  const outer = children(certificate)[0]
  const fields = children(children(outer?.content ?? Buffer.alloc(0))[0]?.content ?? Buffer.alloc(0))
  const subject = fields[fields[0]?.tag === VERSION_TAG ? 5 : 4]
  if (subject === undefined || subject.tag !== SEQUENCE) throw new RangeError('the certificate has no subject')
  return subject.content
}

function attribute({ content }: Element): Buffer {
  const [type, value] = children(content)
  if (type === undefined || value === undefined) throw new RangeError('the subject is malformed')
  return element(SEQUENCE, Buffer.concat([type.whole, canonicalValue(value)]))
}

function canonicalValue({ tag, content, whole }: Element): Buffer {
  if (![UTF8_STRING, PRINTABLE_STRING, T61_STRING, IA5_STRING, VISIBLE_STRING].includes(tag)) return whole
  // Only ASCII letters change case and only ASCII blanks count. T61String is read as ISO 8859-1.
  const text = content
    .toString('latin1')
    .replace(/^[\t-\r ]+|[\t-\r ]+$/g, '')
    .replace(/[\t-\r ]+/g, ' ')
  return element(
    UTF8_STRING,
    Buffer.from(
      text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
      tag === UTF8_STRING ? 'latin1' : 'utf8',
    ),
  )
}

function children(content: Buffer): readonly Element[] {
  const found: Element[] = []
  for (let at = 0; at < content.length;) {
    const { start, end } = extent(content, at)
    found.push({ tag: content[at] ?? 0, content: content.subarray(start, end), whole: content.subarray(at, end) })
    at = end
  }
  return found
}

/** Where an element's content starts and ends (X.690, section 8.1.3). */
function extent(bytes: Buffer, at: number): { readonly start: number; readonly end: number } {
  const first = bytes.readUInt8(at + 1)
  const width = first < 0x80 ? 0 : first & 0x7f
  if (width > 4) throw new RangeError('the length of an element is too large')
  const start = at + 2 + width
  const length = width === 0 ? first & 0x7f : bytes.readUIntBE(at + 2, width)
  if (start + length > bytes.length) throw new RangeError('an element is cut off')
  return { start, end: start + length }
}

function element(tag: number, content: Buffer): Buffer {
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  if (length > 0xffff) throw new RangeError('an element is too long')
  const size = length > 0xff ? [0x82, length >> 8, length & 0xff] : [0x81, length]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}
