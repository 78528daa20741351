import { createPrivateKey, randomBytes, X509Certificate, type KeyObject } from 'node:crypto'
import { join, resolve } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import { CageError } from '../../errors.ts'
import type { Hostname } from '../../policy/host.ts'
import { CERTIFICATE_FILE, loadOrCreate, STARTING_OVER, type StoredAuthority } from './authority-store.ts'
import { renderCertificate, toPem } from './certificate.ts'
import { makeKeyPair } from './key-pair.ts'
import { LeafCache, type Leaf } from './leaf-cache.ts'

export interface AuthorityOptions {
  /** Name of the cage, for people who look at certificates. */
  readonly cage: string
  /** Milliseconds since the epoch. */
  readonly clock?: () => number
}

const DAY = 86_400_000
/** Long enough that no cage outlives it unnoticed, short enough that a forgotten one ends. */
const AUTHORITY_DAYS = 5 * 365
/** Well below the 398 days that clients accept; leaves live in memory only and are renewed while in use. */
const LEAF_DAYS = 90
const RENEW_DAYS_BEFORE_END = 7
/** Clocks inside a virtual machine or on the other end of a tunnel run late. */
const BACKDATED_DAYS = 1

/**
 * The cage's own certificate authority. It mints a certificate for whatever host the workload asks for, so its key
 * stays on this side: 0600 in a folder 0700. The workload is shown `certificatePath` and nothing else of the folder.
 */
export class CertificateAuthority {
  /** The certificate alone, PEM. */
  readonly certificatePem: string
  /** Absolute. */
  readonly certificatePath: string
  /** When a new authority will be needed. */
  readonly expires: Date

  readonly #certificate: X509Certificate
  readonly #privateKey: KeyObject
  readonly #publicKey: Buffer
  readonly #name: string
  readonly #clock: () => number
  /** One for all leaves: it never leaves this process, and making keys would be most of the work of a leaf. */
  readonly #leafKey = makeKeyPair()
  readonly #leaves = new LeafCache()

  /**
   * Loads the authority in `folder`, which is its own, or makes one if the folder is absent or empty.
   * Throws a CageError `ca_unusable` for everything else: unreadable, readable by others, incomplete, expired, …
   */
  static async open(folder: string, { cage, clock = Date.now }: AuthorityOptions): Promise<CertificateAuthority> {
    const absolute = resolve(folder)
    const stored = await loadOrCreate(absolute, () => makeAuthority(cage, clock()))
    return new CertificateAuthority(absolute, stored, clock)
  }

  private constructor(folder: string, stored: StoredAuthority, clock: () => number) {
    const { certificate, privateKey, name } = readAuthority(folder, stored)
    this.#certificate = certificate
    this.#privateKey = privateKey
    this.#publicKey = certificate.publicKey.export({ type: 'spki', format: 'der' })
    this.#name = name
    this.#clock = clock
    this.certificatePath = join(folder, CERTIFICATE_FILE)
    this.certificatePem = toPem(certificate.raw)
    this.expires = certificate.validToDate
    this.#checkThatLeavesVerify()
  }

  /**
   * What to serve `host` with. From a bounded cache, or minted now in well under a millisecond.
   * Throws a CageError once the authority has expired.
   */
  contextFor(host: Hostname): SecureContext {
    const now = this.#clock()
    return this.#leaves.get(host, now, () => this.#mint(host, now)).context
  }

  #mint(host: Hostname, now: number): Leaf {
    this.#checkValidity(now)
    const validFrom = Math.max(now - BACKDATED_DAYS * DAY, this.#certificate.validFromDate.getTime())
    const lastDay = this.expires.getTime()
    const validTo = Math.min(now + LEAF_DAYS * DAY, lastDay)
    const certificate = this.#renderLeaf(host, new Date(validFrom), new Date(validTo))
    const context = createSecureContext({ key: this.#leafKey.pem, cert: toPem(certificate), minVersion: 'TLSv1.2' })
    return { context, validFrom, renewAt: validTo === lastDay ? lastDay : validTo - RENEW_DAYS_BEFORE_END * DAY }
  }

  #renderLeaf(host: Hostname, notBefore: Date, notAfter: Date): Buffer {
    return renderCertificate(
      {
        serial: randomSerial(),
        issuer: this.#name,
        subject: host.length > 64 ? '' : host,
        notBefore,
        notAfter,
        publicKey: this.#leafKey.publicKey,
        issuerPublicKey: this.#publicKey,
        usage: { kind: 'server', hosts: [host] },
      },
      this.#privateKey,
    )
  }

  #checkValidity(now: number): void {
    const { validFromDate, validToDate } = this.#certificate
    if (now < validFromDate.getTime()) {
      throw unusable(
        `${this.certificatePath} is not valid before ${validFromDate.toISOString()}`,
        "Check the host's clock.",
      )
    }
    if (now >= validToDate.getTime()) {
      throw unusable(`${this.certificatePath} expired on ${validToDate.toISOString()}`, STARTING_OVER)
    }
  }

  /** Names and key identifiers must be those that verifiers will compare; a foreign certificate may have others. */
  #checkThatLeavesVerify(): void {
    const now = this.#clock()
    this.#checkValidity(now)
    const leaf = new X509Certificate(this.#renderLeaf('probe.invalid' as Hostname, new Date(now), new Date(now)))
    if (leaf.checkIssued(this.#certificate) && leaf.verify(this.#certificate.publicKey)) return
    throw unusable(`${this.certificatePath} was not made by agentcage`, STARTING_OVER)
  }
}

function makeAuthority(cage: string, now: number): StoredAuthority {
  const { publicKey, privateKey, pem } = makeKeyPair()
  // The number tells apart two authorities of one cage, which verifiers would otherwise confuse by name.
  const name = `agentcage CA (${cage.slice(0, 40)}) ${randomBytes(4).toString('hex')}`
  const certificate = renderCertificate(
    {
      serial: randomSerial(),
      issuer: name,
      subject: name,
      notBefore: new Date(now - BACKDATED_DAYS * DAY),
      notAfter: new Date(now + AUTHORITY_DAYS * DAY),
      publicKey,
      issuerPublicKey: publicKey,
      usage: { kind: 'authority' },
    },
    privateKey,
  )
  return { keyPem: pem, certificatePem: toPem(certificate) }
}

interface LoadedAuthority {
  readonly certificate: X509Certificate
  readonly privateKey: KeyObject
  readonly name: string
}

function readAuthority(folder: string, stored: StoredAuthority): LoadedAuthority {
  const certificate = parseOr(
    `${join(folder, CERTIFICATE_FILE)} is not a certificate`,
    () => new X509Certificate(stored.certificatePem),
  )
  const privateKey = parseOr(`${join(folder, 'ca-key.pem')} is not a private key`, () =>
    createPrivateKey(stored.keyPem),
  )
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw unusable(`the key in ${folder} is not a P-256 key`, STARTING_OVER)
  if (!certificate.checkPrivateKey(privateKey))
    throw unusable(`the key in ${folder} does not belong to the certificate`, STARTING_OVER)
  if (!certificate.ca) throw unusable(`the certificate in ${folder} is not one of an authority`, STARTING_OVER)
  if (!certificate.checkIssued(certificate) || !certificate.verify(certificate.publicKey)) {
    throw unusable(`the certificate in ${folder} is not signed by its own key`, STARTING_OVER)
  }
  return { certificate, privateKey, name: certificate.subject.replace(/^CN=/, '') }
}

function parseOr<T>(message: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    // The cause of a key that does not parse could quote it.
    throw new CageError('ca_unusable', message, {
      hint: STARTING_OVER,
      cause: error instanceof Error && 'code' in error ? error.code : undefined,
    })
  }
}

/** 127 random bits, positive and always 16 bytes long. */
function randomSerial(): Buffer {
  const serial = randomBytes(16)
  serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0)
  return serial
}

function unusable(message: string, hint: string): CageError {
  return new CageError('ca_unusable', message, { hint })
}
