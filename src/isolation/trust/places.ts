import { existsSync, readdirSync, statSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { realPath } from '../process/paths.ts'

/** Where a host keeps authorities: paths without symbolic links, each once. */
export interface TrustPlaces {
  /** PEM files with all authorities. */
  readonly bundles: readonly string[]
  /** Folders in which OpenSSL looks authorities up by the hash of their name. */
  readonly folders: readonly string[]
  /** Key stores of Java. */
  readonly keyStores: readonly string[]
  /** The Java on PATH, if any. */
  readonly java: string | undefined
}

const BUNDLES = [
  // Debian, Ubuntu, Arch, Alpine, Gentoo, NixOS
  '/etc/ssl/certs/ca-certificates.crt',
  // Fedora, RHEL, Amazon Linux
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/tls/cert.pem',
  '/etc/ssl/certs/ca-bundle.crt',
  // SUSE
  '/etc/ssl/ca-bundle.pem',
  '/var/lib/ca-certificates/ca-bundle.pem',
  // Arch, Alpine and builds of OpenSSL
  '/etc/ca-certificates/extracted/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
  '/usr/lib/ssl/cert.pem',
  '/usr/local/ssl/cert.pem',
  '/usr/local/share/certs/ca-root-nss.crt',
]

const FOLDERS = ['/etc/ssl/certs', '/etc/pki/tls/certs']

const KEY_STORES = [
  '/etc/ssl/certs/java/cacerts',
  '/etc/pki/java/cacerts',
  '/etc/pki/ca-trust/extracted/java/cacerts',
  '/var/lib/ca-certificates/java-cacerts',
  '/etc/ca-certificates/extracted/java-cacerts.jks',
]

/** Where distributions put JVMs, a folder each. */
const JVMS = ['/usr/lib/jvm', '/usr/lib64/jvm', '/usr/java', '/opt/java', '/usr/local/lib/jvm']

/** Looks for them on this host. `java` and `JAVA_HOME` are looked up in `environment`. */
export function findPlaces(environment: Readonly<Record<string, string | undefined>> = process.env): TrustPlaces {
  const java = findJava(environment['PATH'] ?? '')
  const homes = [
    ...JVMS.flatMap(foldersIn),
    environment['JAVA_HOME'],
    java === undefined ? undefined : dirname(dirname(java)),
  ]
  const stores = homes.flatMap((home) =>
    home === undefined ? [] : [join(home, 'lib/security/cacerts'), join(home, 'jre/lib/security/cacerts')],
  )
  return {
    bundles: existing(BUNDLES, 'file'),
    folders: existing(FOLDERS, 'folder'),
    keyStores: existing([...KEY_STORES, ...stores], 'file'),
    java,
  }
}

function findJava(path: string): string | undefined {
  const found = path
    .split(delimiter)
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, 'java'))
    .find((file) => existsSync(file))
  return found === undefined ? undefined : realPath(found)
}

function foldersIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []
}

function existing(paths: readonly string[], kind: 'file' | 'folder'): readonly string[] {
  const real = paths.map(realPath).filter((path) => path !== undefined)
  return [...new Set(real)].filter((path) => (kind === 'file' ? statSync(path).isFile() : statSync(path).isDirectory()))
}
