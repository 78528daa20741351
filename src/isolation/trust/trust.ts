import { X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CageError } from '../../errors.ts'
import type { Mount } from '../isolation.ts'
import { appendCertificate, certificatesOf, systemBundle } from './bundle.ts'
import { writeCertificateFolder } from './certificate-folder.ts'
import { encodeKeyStore } from './key-store.ts'
import { findPlaces, type TrustPlaces } from './places.ts'

/** What makes programs in the cage accept the egress's certificates. */
export interface Trust {
  readonly mounts: readonly Mount[]
  readonly environment: Readonly<Record<string, string>>
}

/** Where the files are inside; /run is empty in every cage. */
const INSIDE = '/run/agentcage'
const BUNDLE = `${INSIDE}/ca-bundle.pem`
const CERTIFICATE = `${INSIDE}/ca.pem`
const KEY_STORE = `${INSIDE}/cacerts`

/**
 * Writes the host's authorities together with the cage's into `folder` (made if absent) in every form that programs
 * read, and says how to lay them over the host's: then also programs that ignore the environment accept them.
 * `certificate` is the cage's authority alone, PEM. Takes a few milliseconds.
 */
export function writeTrust(folder: string, certificate: string, places: TrustPlaces = findPlaces()): Trust {
  const authority = parse(certificate)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const bundle = appendCertificate(systemBundle(places.bundles), authority)
  const hasJava = places.keyStores.length > 0 || places.java !== undefined
  const trust = { mounts: mounts(folder, places, hasJava), environment: environment(places) }
  // A workload that runs has these files mounted: written anew they would be gone for it.
  if (isWritten(folder, bundle)) return trust
  write(folder, 'ca-bundle.pem', bundle)
  write(folder, 'ca.pem', authority.toString())
  if (hasJava) write(folder, 'cacerts', encodeKeyStore(certificatesOf(bundle)))
  writeCertificateFolder(join(folder, 'certs'), {
    authority,
    bundle: join(folder, 'ca-bundle.pem'),
    keyStore: hasJava ? join(folder, 'cacerts') : undefined,
  })
  return trust
}

/** The folder of certificates comes last. */
function isWritten(folder: string, bundle: string): boolean {
  const last = join(folder, 'certs/agentcage.pem')
  return existsSync(last) && readFileSync(join(folder, 'ca-bundle.pem'), 'utf8') === bundle
}

/** Places to write for when it is not known what the workload's image has: everything. */
export const FOR_ANY_IMAGE: TrustPlaces = {
  bundles: ['/etc/pki/tls/certs/ca-bundle.crt', '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem'],
  folders: ['/etc/ssl/certs'],
  keyStores: [],
  java: '/usr/bin/java',
}

/** How to show what `writeTrust` has written, or will have, to a workload in any image. */
export function imageTrust(folder: string): Trust {
  return { mounts: mounts(folder, FOR_ANY_IMAGE, true), environment: environment(FOR_ANY_IMAGE) }
}

/** What lies in a folder that is laid over was written into it. */
function mounts(folder: string, places: TrustPlaces, hasJava: boolean): readonly Mount[] {
  const show = (name: string, target: string): Mount => ({
    kind: 'bind',
    source: join(folder, name),
    target,
    writable: false,
  })
  const isElsewhere = (path: string): boolean => !places.folders.some((covered) => path.startsWith(`${covered}/`))
  return [
    show('ca-bundle.pem', BUNDLE),
    show('ca.pem', CERTIFICATE),
    ...(hasJava ? [show('cacerts', KEY_STORE)] : []),
    ...places.folders.map((path) => show('certs', path)),
    ...places.bundles.filter(isElsewhere).map((path) => show('ca-bundle.pem', path)),
    ...places.keyStores.filter(isElsewhere).map((path) => show('cacerts', path)),
  ]
}

/**
 * For programs that bring their own authorities. Those that add to their own get the one certificate alone, which
 * they read faster; the others get the whole bundle.
 */
function environment({ java, keyStores }: TrustPlaces): Readonly<Record<string, string>> {
  const added = ['NODE_EXTRA_CA_CERTS', 'DENO_CERT']
  const replaced = [
    'SSL_CERT_FILE',
    'REQUESTS_CA_BUNDLE',
    'CURL_CA_BUNDLE',
    'GIT_SSL_CAINFO',
    'PIP_CERT',
    'npm_config_cafile',
    'AWS_CA_BUNDLE',
    'CARGO_HTTP_CAINFO',
    'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
    'BUNDLE_SSL_CA_CERT',
    'NIX_SSL_CERT_FILE',
    'CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE',
    'HTTPLIB2_CA_CERTS',
    'PERL_LWP_SSL_CA_FILE',
    'HEX_CACERTS_PATH',
    'SYSTEM_CERTIFICATE_PATH',
    'CONDA_SSL_VERIFY',
  ]
  const isJavaUncovered = java !== undefined && keyStores.length === 0
  return {
    ...Object.fromEntries(added.map((name) => [name, CERTIFICATE])),
    ...Object.fromEntries(replaced.map((name) => [name, BUNDLE])),
    // uv brings its own authorities unless told to read SSL_CERT_FILE.
    UV_NATIVE_TLS: '1',
    ...(isJavaUncovered
      ? { JAVA_TOOL_OPTIONS: `-Djavax.net.ssl.trustStore=${KEY_STORE} -Djavax.net.ssl.trustStorePassword=changeit` }
      : {}),
  }
}

function parse(certificate: string): X509Certificate {
  try {
    const parsed = new X509Certificate(certificate)
    if (parsed.ca) return parsed
  } catch (error) {
    throw new CageError('ca_unusable', 'the certificate of the cage is not one', { cause: error })
  }
  throw new CageError('ca_unusable', 'the certificate of the cage is not that of an authority')
}

/** A new file each time: an earlier cage may still read the old one. */
function write(folder: string, name: string, content: string | Uint8Array): void {
  const path = join(folder, name)
  rmSync(path, { force: true })
  writeFileSync(path, content, { flag: 'wx', mode: 0o644 })
}
