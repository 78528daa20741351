import { randomBytes } from 'node:crypto'
import { renderCertificate, toPem, type CertificateUsage } from '../../src/egress/tls/certificate.ts'
import { makeKeyPair } from '../../src/egress/tls/key-pair.ts'
import type { Hostname } from '../../src/policy/host.ts'

/** Key and certificate, both PEM, as `node:tls` takes them. */
export interface Identity {
  readonly key: string
  readonly cert: string
}

/** Whom the servers of the demo's internet have their certificates from: made for one run and trusted by nobody else. */
export class DemoAuthority {
  readonly #keys = makeKeyPair()

  /** Its own certificate, PEM. */
  get certificatePem(): string {
    return this.#sign(NAME, this.#keys.publicKey, { kind: 'authority' })
  }

  /** What a server shows to prove that it is `host`. */
  issue(host: Hostname): Identity {
    const { pem, publicKey } = makeKeyPair()
    return { key: pem, cert: this.#sign(host, publicKey, { kind: 'server', hosts: [host] }) }
  }

  #sign(subject: string, publicKey: Buffer, usage: CertificateUsage): string {
    const now = Date.now()
    const fields = {
      serial: Buffer.concat([Buffer.of(0x40), randomBytes(15)]),
      issuer: NAME,
      subject,
      notBefore: new Date(now - DAY),
      notAfter: new Date(now + DAY),
      publicKey,
      issuerPublicKey: this.#keys.publicKey,
      usage,
    }
    return toPem(renderCertificate(fields, this.#keys.privateKey))
  }
}

const NAME = 'agentcage demo internet'
/** In milliseconds. */
const DAY = 86_400_000
