import { generateKeyPairSync, type KeyObject } from 'node:crypto'

/** A fresh P-256 key in the forms that certificates (`publicKey`: SubjectPublicKeyInfo, DER) and files (`pem`: PKCS #8) need. */
export interface KeyPair {
  readonly publicKey: Buffer
  readonly privateKey: KeyObject
  readonly pem: string
}

export function makeKeyPair(): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    privateKey,
    pem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}
