import { randomBytes } from 'node:crypto'
import { renderCertificate, toPem, type CertificateFields } from '../../src/egress/tls/certificate.ts'
import { makeKeyPair } from '../../src/egress/tls/key-pair.ts'
import { parseHostname, type Hostname } from '../../src/policy/host.ts'

/** What is wrong with a server's certificate, if anything. */
export type CertificateKind = 'valid' | 'wrong-name' | 'expired' | 'self-signed'

/** Key and certificate in PEM, as `node:tls` takes them. */
export interface Identity {
  readonly key: string
  readonly cert: string
}

/** The authority that the servers of the test internet have their certificates from. */
export class TestAuthority {
  readonly #keys = makeKeyPair()
  readonly certificatePem: string

  constructor() {
    const fields = fieldsOf({ subject: NAME, publicKey: this.#keys.publicKey, usage: { kind: 'authority' } })
    this.certificatePem = toPem(
      renderCertificate({ ...fields, issuer: NAME, issuerPublicKey: this.#keys.publicKey }, this.#keys.privateKey),
    )
  }

  /** A server certificate for `host`, with a key of its own. */
  issue(host: string, kind: CertificateKind = 'valid'): Identity {
    const keys = makeKeyPair()
    const named = kind === 'wrong-name' ? 'somebody-else.test' : host
    const fields = fieldsOf({
      subject: named.length > 64 ? '' : named,
      publicKey: keys.publicKey,
      usage: { kind: 'server', hosts: [toHostname(named)] },
    })
    const validity = kind === 'expired' ? { notBefore: daysFromNow(-30), notAfter: daysFromNow(-1) } : {}
    const certificate =
      kind === 'self-signed'
        ? renderCertificate({ ...fields, issuer: named, issuerPublicKey: keys.publicKey }, keys.privateKey)
        : renderCertificate(
            { ...fields, ...validity, issuer: NAME, issuerPublicKey: this.#keys.publicKey },
            this.#keys.privateKey,
          )
    return { key: keys.pem, cert: toPem(certificate) }
  }
}

const NAME = 'Test Internet CA'

type OwnFields = Pick<CertificateFields, 'subject' | 'publicKey' | 'usage'>

function fieldsOf(own: OwnFields): Omit<CertificateFields, 'issuer' | 'issuerPublicKey'> {
  return {
    ...own,
    serial: Buffer.concat([Buffer.of(0x40), randomBytes(15)]),
    notBefore: daysFromNow(-1),
    notAfter: daysFromNow(30),
  }
}

function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * 86_400_000)
}

function toHostname(text: string): Hostname {
  const host = parseHostname(text)
  if (host === undefined) throw new TypeError(`not a host: ${text}`)
  return host
}
