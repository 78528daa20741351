import type { X509Certificate } from 'node:crypto'
import { linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { subjectHash } from './subject-hash.ts'

/** Names under which programs look for the bundle in such a folder. */
const BUNDLE_NAMES = ['ca-certificates.crt', 'ca-bundle.crt']

export interface FolderContent {
  readonly authority: X509Certificate
  /** Path of the bundle with the cage's authority in it; on the same file system. */
  readonly bundle: string
  /** Path of the key store, where there is a Java. */
  readonly keyStore: string | undefined
}

/**
 * A folder to lay over the host's /etc/ssl/certs. OpenSSL without further settings reads no bundle there but looks
 * authorities up as `HASH.0`, and nothing can be added to a read-only folder. Only the cage's authority is entered
 * so: whatever TLS the workload speaks is answered by the egress. The bundle has all.
 */
export function writeCertificateFolder(folder: string, { authority, bundle, keyStore }: FolderContent): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'java'), { recursive: true, mode: 0o755 })
  writeFileSync(join(folder, 'agentcage.pem'), authority.toString(), { mode: 0o644 })
  symlinkSync('agentcage.pem', join(folder, `${subjectHash(authority.raw)}.0`))
  for (const name of BUNDLE_NAMES) linkSync(bundle, join(folder, name))
  if (keyStore !== undefined) linkSync(keyStore, join(folder, 'java/cacerts'))
}
