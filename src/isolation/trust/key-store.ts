import { createHash } from 'node:crypto'

/** Java's own default. It guards against accidents only: the store holds public certificates. */
const PASSWORD = 'changeit'

const MAGIC = 0xfeedfeed
const VERSION = 2
const TRUSTED_CERTIFICATE = 2

/**
 * A Java key store (JKS) with certificates to trust, given as DER. Every Java since 1.2 reads it, also where its
 * default is PKCS #12. Layout: sun.security.provider.JavaKeyStore, engineStore. The same certificates give the same
 * bytes, so the times of entry are all zero.
 */
export function encodeKeyStore(certificates: readonly Uint8Array[]): Buffer {
  const entries = certificates.flatMap((certificate, index) => [
    uint32(TRUSTED_CERTIFICATE),
    text(`ca-${index}`),
    Buffer.alloc(8),
    text('X.509'),
    uint32(certificate.length),
    certificate,
  ])
  const content = Buffer.concat([uint32(MAGIC), uint32(VERSION), uint32(certificates.length), ...entries])
  return Buffer.concat([content, digest(content)])
}

/** SHA-1 because the format has no other; it is a checksum here. The words in the middle are the format's own. */
function digest(content: Uint8Array): Buffer {
  const password = Buffer.from(PASSWORD, 'utf16le').swap16()
  return createHash('sha1').update(password).update('Mighty Aphrodite', 'utf8').update(content).digest()
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** As java.io.DataOutput.writeUTF has it; for ASCII that is UTF-8 after its length. */
function text(value: string): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(value.length)
  return Buffer.concat([length, Buffer.from(value, 'latin1')])
}
