import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemBundle } from '../../trust/bundle.ts'
import { findPlaces } from '../../trust/places.ts'
import { librariesOf } from './libraries.ts'
import { findOwnProgram, type OwnProgram } from './program.ts'
import type { TarEntry } from './tar.ts'

/** What `podman import` is told of an image beside its files. */
export interface ImageConfig {
  readonly entrypoint: readonly string[]
  readonly user: string
  readonly environment: Readonly<Record<string, string>>
}

export interface ImageContents {
  readonly entries: readonly TarEntry[]
  readonly config: ImageConfig
}

/** Where our program lies in the image. */
const PROGRAM = 'opt/agentcage/program'
const NODE = 'usr/bin/node'
const BUNDLE = 'etc/ssl/certs/ca-certificates.crt'

/**
 * The egress as an image without a base: the Node that runs this, the libraries it loads, our program and the
 * certificates that this host trusts. No shell, no package manager, nothing to download. Undefined where this host's Node
 * cannot run in a Linux container.
 */
export async function egressContents(user: number): Promise<ImageContents | undefined> {
  const libraries = process.platform === 'linux' ? await librariesOf(process.execPath) : undefined
  if (libraries === undefined) return undefined
  const files = [
    await fileAt(process.execPath, NODE, 0o755),
    ...(await Promise.all(libraries.files.map((path) => fileAt(path, path.slice(1), 0o755)))),
    ...(await programFiles(await findOwnProgram())),
    ...ownFiles(user),
  ]
  return { entries: withFolders(files), config: await configFor(user, libraries.folders) }
}

/** Our program alone, for an image that has Node already. */
export async function programEntries(user: number): Promise<readonly TarEntry[]> {
  return withFolders([...(await programFiles(await findOwnProgram())), ...ownFiles(user)])
}

export async function configFor(user: number, libraryFolders: readonly string[]): Promise<ImageConfig> {
  const { entry } = await findOwnProgram()
  return {
    entrypoint: [`/${NODE}`, `/${PROGRAM}/${entry}`],
    user: `${user}:${user}`,
    environment: {
      NODE_ENV: 'production',
      SSL_CERT_FILE: `/${BUNDLE}`,
      // There is no cache of the loader's in the image; these are where it found them here.
      ...(libraryFolders.length === 0 ? {} : { LD_LIBRARY_PATH: libraryFolders.join(':') }),
    },
  }
}

function ownFiles(user: number): readonly TarEntry[] {
  return [
    textFile('etc/passwd', `root:x:0:0:root:/:/nonexistent\negress:x:${user}:${user}:egress:/tmp:/nonexistent\n`),
    textFile('etc/group', `root:x:0:\negress:x:${user}:\n`),
    textFile(BUNDLE, systemBundle(findPlaces().bundles)),
    textFile('opt/agentcage/probe.mjs', PROBE),
  ]
}

/**
 * Ends well once something listens: `probe.mjs ADDRESS PORT SECONDS`. It waits for that itself, because whoever runs it
 * again after a failure does so a second later. The program itself would take longer to start than to answer.
 */
const PROBE = `import { connect } from 'node:net'
const [host, port, seconds] = process.argv.slice(2)
setTimeout(() => process.exit(1), seconds * 1000)
const look = () => {
  connect({ host, port: Number(port) })
    .on('connect', () => process.exit(0))
    .on('error', () => setTimeout(look, 20))
}
look()
`

async function programFiles({ root, files }: OwnProgram): Promise<readonly TarEntry[]> {
  return Promise.all(files.map((path) => fileAt(join(root, path), `${PROGRAM}/${path}`, 0o644)))
}

async function fileAt(source: string, path: string, mode: number): Promise<TarEntry> {
  const { size } = await stat(source)
  // Small ones at once: thousands of streams would be slower than what they read.
  const read = size <= 1_048_576 ? () => readWhole(source) : () => createReadStream(source)
  return { kind: 'file', path, mode, size, read }
}

async function* readWhole(source: string): AsyncGenerator<Uint8Array> {
  yield await readFile(source)
}

function textFile(path: string, text: string): TarEntry {
  const bytes = Buffer.from(text)
  return { kind: 'file', path, mode: 0o644, size: bytes.length, read: () => [bytes] }
}

/** Mount points, and whatever lies above a file. */
function withFolders(files: readonly TarEntry[]): readonly TarEntry[] {
  const folders = new Set(['tmp', 'run', 'proc', 'sys', 'dev', 'var/tmp', 'var/lib/agentcage', 'etc/agentcage'])
  for (const { path } of files) folders.add(dirname(path))
  for (const path of folders) if (dirname(path) !== '.') folders.add(dirname(path))
  const mode = (path: string): number => (path === 'tmp' || path === 'var/tmp' ? 0o1777 : 0o755)
  const directories = [...folders].map((path): TarEntry => ({ kind: 'directory', path, mode: mode(path) }))
  return [...directories, ...files]
}
