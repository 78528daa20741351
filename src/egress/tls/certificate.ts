import { createHash, sign, type KeyObject } from 'node:crypto'
import { isIPv4 } from 'node:net'
import { isAddress, type Hostname } from '../../policy/host.ts'
import * as der from './der.ts'

/** What a certificate says. */
export interface CertificateFields {
  /** Big-endian, positive, at most 20 bytes (RFC 5280 section 4.1.2.2). */
  readonly serial: Uint8Array
  /** Common names; '' is an empty name. At most 64 characters (ub-common-name, RFC 5280 appendix A.1). */
  readonly issuer: string
  readonly subject: string
  /** To the second; both ends belong to the validity. */
  readonly notBefore: Date
  readonly notAfter: Date
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer
  /** Of the key that signs; the same as `publicKey` in a self-signed certificate. */
  readonly issuerPublicKey: Buffer
  readonly usage: CertificateUsage
}

/** `authority`: signs server certificates, no further authorities. `server`: proves to be any of `hosts`. */
export type CertificateUsage =
  | { readonly kind: 'authority' }
  | { readonly kind: 'server'; readonly hosts: readonly [Hostname, ...Hostname[]] }

/** An X.509 v3 certificate (RFC 5280) in DER, signed by a P-256 key with SHA-256 (RFC 5758). */
export function renderCertificate(fields: CertificateFields, issuerPrivateKey: KeyObject): Buffer {
  const body = renderCertificateBody(fields)
  return der.sequence(body, ECDSA_WITH_SHA256, der.bitString(sign('sha256', body, issuerPrivateKey)))
}

/** TBSCertificate: all that the signature covers. Pure. */
export function renderCertificateBody(fields: CertificateFields): Buffer {
  if (fields.serial.length > 20) throw new RangeError('a serial number has at most 20 bytes')
  return der.sequence(
    VERSION_3,
    der.integer(fields.serial),
    ECDSA_WITH_SHA256,
    name(fields.issuer),
    der.sequence(der.time(fields.notBefore), der.time(fields.notAfter)),
    name(fields.subject),
    fields.publicKey,
    der.contextConstructed(3, der.sequence(...extensions(fields))),
  )
}

/** The textual encoding of RFC 7468. */
export function toPem(certificate: Buffer): string {
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

const VERSION_3 = der.contextConstructed(0, der.integer(Buffer.of(2)))
const ECDSA_WITH_SHA256 = der.sequence(der.objectIdentifier('1.2.840.10045.4.3.2'))
const COMMON_NAME = der.objectIdentifier('2.5.4.3')

function name(commonName: string): Buffer {
  if (commonName.length > 64) throw new RangeError('a common name has at most 64 characters')
  if (commonName === '') return der.sequence()
  return der.sequence(der.setOf(der.sequence(COMMON_NAME, der.utf8String(commonName))))
}

function extensions(fields: CertificateFields): Buffer[] {
  const identifiers = [
    extension('2.5.29.14', der.octetString(keyIdentifier(fields.publicKey))),
    extension('2.5.29.35', der.sequence(der.contextPrimitive(0, keyIdentifier(fields.issuerPublicKey)))),
  ]
  switch (fields.usage.kind) {
    case 'authority':
      return [BASIC_CONSTRAINTS_AUTHORITY, KEY_USAGE_AUTHORITY, ...identifiers]
    case 'server':
      return [
        KEY_USAGE_SERVER,
        EXTENDED_KEY_USAGE_SERVER,
        // Critical when it is all there is to name the subject (RFC 5280 section 4.2.1.6).
        extension('2.5.29.17', der.sequence(...fields.usage.hosts.map(generalName)), fields.subject === ''),
        ...identifiers,
      ]
  }
}

function extension(identifier: string, value: Buffer, critical = false): Buffer {
  const flag = critical ? [der.booleanTrue()] : []
  return der.sequence(der.objectIdentifier(identifier), ...flag, der.octetString(value))
}

/** CA:TRUE, pathlen:0. */
const BASIC_CONSTRAINTS_AUTHORITY = extension(
  '2.5.29.19',
  der.sequence(der.booleanTrue(), der.integer(Buffer.of(0))),
  true,
)
/** keyCertSign (bit 5) and cRLSign (bit 6). */
const KEY_USAGE_AUTHORITY = extension('2.5.29.15', der.bitString(Buffer.of(0b0000_0110), 1), true)
/** digitalSignature (bit 0). */
const KEY_USAGE_SERVER = extension('2.5.29.15', der.bitString(Buffer.of(0b1000_0000), 7), true)
const EXTENDED_KEY_USAGE_SERVER = extension('2.5.29.37', der.sequence(der.objectIdentifier('1.3.6.1.5.5.7.3.1')))

function generalName(host: Hostname): Buffer {
  if (isAddress(host)) return der.contextPrimitive(7, addressBytes(host))
  return der.contextPrimitive(2, Buffer.from(host, 'latin1'))
}

/** Network order, 4 or 16 bytes, from the normal form of a `Hostname`. */
function addressBytes(address: Hostname): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail = ''] = address.split('::')
  const before = groups(head)
  const after = groups(tail)
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0)
  return Buffer.from([...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff]))
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}

/** The leftmost 160 bits of the SHA-256 of the SubjectPublicKeyInfo (RFC 7093 section 2, method 4). */
function keyIdentifier(publicKey: Buffer): Buffer {
  return createHash('sha256').update(publicKey).digest().subarray(0, 20)
}
