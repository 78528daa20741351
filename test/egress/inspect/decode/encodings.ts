import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'

export type Encoder = (bytes: Buffer) => Buffer

function eachByte(bytes: Buffer, write: (byte: number) => string): Buffer {
  return Buffer.from(Array.from(bytes, write).join(''))
}

function hexOf(byte: number, digits = 2): string {
  return byte.toString(16).padStart(digits, '0')
}

/** Encoders of bytes that may stand inside other content, and inside each other. */
export const ENCODERS: Readonly<Record<string, Encoder>> = {
  base64: (bytes) => Buffer.from(bytes.toString('base64')),
  'base64 unpadded': (bytes) => Buffer.from(bytes.toString('base64').replace(/=+$/, '')),
  base64url: (bytes) => Buffer.from(bytes.toString('base64url')),
  'base64 in lines': (bytes) => Buffer.from(bytes.toString('base64').replace(/.{76}/g, '$&\r\n')),
  'base64 in short lines': (bytes) => Buffer.from(bytes.toString('base64').replace(/.{9}/g, '$&\n')),
  'base64 in a JSON string of lines': (bytes) =>
    Buffer.from(JSON.stringify(bytes.toString('base64').replace(/.{20}/g, '$&\n'))),
  'base64 behind other letters': (bytes) => Buffer.from(`x_${bytes.toString('base64url')}`),
  hex: (bytes) => Buffer.from(bytes.toString('hex')),
  'hex in capitals': (bytes) => Buffer.from(bytes.toString('hex').toUpperCase()),
  base32: (bytes) => Buffer.from(base32(bytes)),
  'base32 in small letters': (bytes) => Buffer.from(base32(bytes).toLowerCase()),
  'base32 in lines': (bytes) => Buffer.from(base32(bytes).replace(/.{76}/g, '$&\r\n')),
  'quoted-printable': (bytes) => eachByte(bytes, (byte) => `=${hexOf(byte).toUpperCase()}`),
  'hex in a JSON string of lines': (bytes) =>
    Buffer.from(JSON.stringify(bytes.toString('hex').replace(/.{20}/g, '$&\r\n'))),
  'base32 in a JSON string of lines': (bytes) => Buffer.from(JSON.stringify(base32(bytes).replace(/.{20}/g, '$&\n'))),
  percent: (bytes) => eachByte(bytes, (byte) => `%${hexOf(byte)}`),
  '\\x': (bytes) => eachByte(bytes, (byte) => `\\x${hexOf(byte)}`),
}

/** Encoders of text: what they make of bytes above 127 is not those bytes. */
export const TEXT_ENCODERS: Readonly<Record<string, Encoder>> = {
  '\\u': (bytes) => eachByte(bytes, (byte) => `\\u${hexOf(byte, 4)}`),
  '\\u{}': (bytes) => eachByte(bytes, (byte) => `\\u{${hexOf(byte)}}`),
  '\\x{}': (bytes) => eachByte(bytes, (byte) => `\\x{${hexOf(byte)}}`),
  '%u': (bytes) => eachByte(bytes, (byte) => `%u${hexOf(byte, 4)}`),
  octal: (bytes) => eachByte(bytes, (byte) => `\\${byte.toString(8).padStart(3, '0')}`),
  'decimal entities': (bytes) => eachByte(bytes, (byte) => `&#${byte};`),
  'hex entities': (bytes) => eachByte(bytes, (byte) => `&#x${hexOf(byte)};`),
  'UTF-16': (bytes) => Buffer.from(bytes.toString('latin1'), 'utf16le'),
}

/** Disguises of ASCII in Unicode. */
export const DISGUISES: Readonly<Record<string, Encoder>> = {
  'zero-width characters': (bytes) => eachByte(bytes, (byte) => `${String.fromCharCode(byte)}\u200b`),
  'soft hyphens': (bytes) => eachByte(bytes, (byte) => `${String.fromCharCode(byte)}\u00ad`),
  'full-width letters': (bytes) => eachByte(bytes, (byte) => String.fromCharCode(byte + 0xfee0)),
  'tag characters': (bytes) => eachByte(bytes, (byte) => String.fromCodePoint(byte + 0xe0000)),
  'mathematical letters': (bytes) =>
    eachByte(bytes, (byte) =>
      byte >= 0x41 && byte <= 0x5a ? String.fromCodePoint(0x1d400 + byte - 0x41) : String.fromCharCode(byte),
    ),
}

/** Formats that are told by their first bytes. */
export const COMPRESSORS: Readonly<Record<string, Encoder>> = {
  gzip: gzipSync,
  zlib: deflateSync,
  zstd: zstdCompressSync,
}

/** By the name in `Content-Encoding`. */
export const CODINGS: readonly (readonly [coding: string, encode: Encoder])[] = [
  ['gzip', gzipSync],
  ['x-gzip', gzipSync],
  ['deflate', deflateSync],
  ['deflate', deflateRawSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
  ['gzip, br', (bytes) => brotliCompressSync(gzipSync(bytes))],
  ['zstd,deflate,GZIP', (bytes) => gzipSync(deflateSync(zstdCompressSync(bytes)))],
  ['identity', (bytes) => bytes],
]

function base32(bytes: Buffer): string {
  let bits = ''
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0')
  const digits = bits.match(/.{1,5}/g) ?? []
  return digits.map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five.padEnd(5, '0'), 2)]).join('')
}
