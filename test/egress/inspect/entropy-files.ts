import { deflateSync, gzipSync } from 'node:zlib'
import { randomLike } from './entropy-traffic.ts'

/** Small but whole files of the formats that are exempt, their content near random as in real ones. */

export function png(size = 4000): Buffer {
  const header = Buffer.from('89504e470d0a1a0a0000000d49484452000001000000010008020000009dca7cfa', 'hex')
  const data = deflateSync(randomLike(size, 'png'))
  return Buffer.concat([header, chunk('IDAT', data), Buffer.from('0000000049454e44ae426082', 'hex')])
}

export function jpeg(size = 4000): Buffer {
  return Buffer.concat([
    Buffer.from('ffd8ffe000104a46494600010100', 'hex'),
    randomLike(size, 'jpeg'),
    Buffer.from('ffd9', 'hex'),
  ])
}

export function gif(): Buffer {
  return Buffer.concat([Buffer.from('GIF89a'), randomLike(4000, 'gif'), Buffer.from(';')])
}

export function webp(size = 4000): Buffer {
  const bytes = Buffer.concat([Buffer.from('RIFF0000WEBPVP8 '), randomLike(size, 'webp')])
  bytes.writeUInt32LE(bytes.length - 8, 4)
  return bytes
}

export function wav(): Buffer {
  const bytes = Buffer.concat([Buffer.from('RIFF0000WAVEfmt '), randomLike(4000, 'wav')])
  bytes.writeUInt32LE(bytes.length - 8, 4)
  return bytes
}

export function mp4(): Buffer {
  return Buffer.concat([Buffer.from('000000206674797069736f6d', 'hex'), randomLike(4000, 'mp4')])
}

export function woff2(): Buffer {
  const bytes = Buffer.concat([Buffer.from('wOF2'), Buffer.from('0001000000000000', 'hex'), randomLike(4000, 'font')])
  bytes.writeUInt32BE(bytes.length, 8)
  return bytes
}

export function pdf(size = 4000): Buffer {
  return Buffer.concat([
    Buffer.from('%PDF-1.7\n%âãÏÓ\n1 0 obj\n'),
    deflateSync(randomLike(size, 'pdf')),
    Buffer.from('\nendobj\nstartxref\n9\n%%EOF\n'),
  ])
}

/** A ZIP archive as far as its first and last records go. */
export function zip(name = 'a.txt'): Buffer {
  const local = Buffer.concat([Buffer.from('504b030414000000080000000000', 'hex'), Buffer.alloc(16), Buffer.from(name)])
  const end = Buffer.concat([Buffer.from('504b0506', 'hex'), Buffer.alloc(18)])
  return Buffer.concat([local, randomLike(4000, 'zip'), end])
}

export function gzip(): Buffer {
  return gzipSync(randomLike(4000, 'gzip'))
}

export function gitPush(size = 8000): Buffer {
  const command = `${'0'.repeat(40)} ${'a1b2c3d4e5'.repeat(4)} refs/heads/main\0 report-status-v2 side-band-64k object-format=sha1 agent=git/2.47.3`
  const pack = Buffer.concat([Buffer.from('PACK\0\0\0\u0002\0\0\0\u0009'), deflateSync(randomLike(size, 'pack'))])
  return Buffer.concat([Buffer.from(pktLine(command)), Buffer.from('0000'), pack])
}

export function gitFetch(): Buffer {
  const wants = Array.from({ length: 40 }, (_, index) =>
    pktLine(
      `want ${randomLike(20, index).toString('hex')}${index === 0 ? ' multi_ack_detailed side-band-64k ofs-delta' : ''}\n`,
    ),
  )
  const haves = Array.from({ length: 200 }, (_, index) =>
    pktLine(`have ${randomLike(20, `h${index}`).toString('hex')}\n`),
  )
  return Buffer.from([...wants, '0000', ...haves, pktLine('done\n')].join(''))
}

export function pktLine(text: string): string {
  return (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text
}

/** A body of `multipart/form-data`; a file has a name. */
export function multipart(
  boundary: string,
  parts: readonly {
    readonly name: string
    readonly file?: string
    readonly type?: string
    readonly body: Buffer | string
  }[],
): Buffer {
  const pieces = parts.flatMap(({ name, file, type, body }) => [
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file === undefined ? '' : `; filename="${file}"`}\r\n`,
    `${type === undefined ? '' : `Content-Type: ${type}\r\n`}\r\n`,
    body,
    '\r\n',
  ])
  return Buffer.concat(
    [...pieces, `--${boundary}--\r\n`].map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)),
  )
}

function chunk(name: string, data: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  return Buffer.concat([length, Buffer.from(name), data, Buffer.alloc(4)])
}
