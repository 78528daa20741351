import { createHash } from 'node:crypto'
import { createReadStream, existsSync, statSync } from 'node:fs'
import { open, readFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import * as z from 'zod'
import { CageError } from '../../../errors.ts'
import { readTar } from './tar.ts'

const DIGEST = /^sha256:[0-9a-f]{64}$/
/** What an archive may have that is of use; nothing else is taken out of it. */
const MEMBER =
  /^(?:index\.json|manifest\.json|blobs\/sha256\/[0-9a-f]{64}|[0-9a-f]{64}\.(?:json|tar)|[0-9a-f]{64}\/layer\.tar)$/
const LARGEST_JSON = 4 * 1024 * 1024

const descriptor = z.object({
  digest: z.string().regex(DIGEST),
  platform: z.object({ os: z.string(), architecture: z.string() }).optional(),
})
const index = z.object({ manifests: z.array(descriptor).min(1).max(1000) })
const manifest = z.object({ config: descriptor, layers: z.array(descriptor).min(1).max(512) })
const dockerManifest = z
  .array(z.object({ Config: z.string().regex(MEMBER), Layers: z.array(z.string().regex(MEMBER)).min(1).max(512) }))
  .min(1)
const imageConfig = z.object({
  os: z.string(),
  architecture: z.string(),
  rootfs: z.object({ diff_ids: z.array(z.string().regex(DIGEST)) }),
})

/** One layer: where its archive lies, and what it has to be once unpacked. */
export interface Layer {
  readonly path: string
  readonly digest: string
}

/** A folder in the OCI image layout, or what was taken out of an archive. Paths are of this module's making only. */
export interface ImageFiles {
  path(member: string): string | undefined
}

export function layoutFolder(folder: string): ImageFiles {
  return {
    path: (member) => (MEMBER.test(member) && existsSync(join(folder, member)) ? join(folder, member) : undefined),
  }
}

/** Takes what is of use out of an archive (`podman image save`, in either format) into an empty folder. */
export async function unpackArchive(archive: string, folder: string): Promise<ImageFiles> {
  const members = new Map<string, string>()
  let output: FileHandle | undefined
  try {
    for await (const part of readTar(createReadStream(archive) as AsyncIterable<Buffer>)) {
      if (Buffer.isBuffer(part)) {
        await output?.writeFile(part)
        continue
      }
      await output?.close()
      output = undefined
      const member = part.path.replace(/^\.\//, '')
      if (part.kind !== 'file' || !MEMBER.test(member)) continue
      const path = join(folder, `member-${members.size}`)
      output = await open(path, 'wx', 0o600)
      members.set(member, path)
    }
  } finally {
    await output?.close()
  }
  return { path: (member) => members.get(member) }
}

/** The layers of an image for this machine, the lowest first. Throws `config_invalid` when there are none. */
export async function layersOf(files: ImageFiles): Promise<readonly Layer[]> {
  const { config, layers } =
    files.path('index.json') === undefined ? await ofDocker(files) : await ofLayout(files, 'index.json')
  const { os, architecture, rootfs } = config
  if (os !== 'linux' || architecture !== 'amd64') throw refused(`it is for ${os} on ${architecture}`)
  if (rootfs.diff_ids.length !== layers.length) throw refused('it has not as many layers as it says')
  return layers.map((path, position) => ({ path, digest: rootfs.diff_ids[position] ?? '' }))
}

interface Found {
  readonly config: z.infer<typeof imageConfig>
  readonly layers: readonly string[]
}

async function ofLayout(files: ImageFiles, member: string, depth = 0): Promise<Found> {
  const { manifests } = index.parse(await json(files, member))
  const fits = manifests.find(({ platform }) => platform === undefined || isOurs(platform))
  if (fits === undefined) throw refused('it has none for linux on amd64')
  const named = blob(fits.digest)
  const content = await json(files, named, fits.digest)
  if (index.safeParse(content).success && depth === 0) return ofLayout(files, named, 1)
  const { config, layers } = manifest.parse(content)
  return {
    config: imageConfig.parse(await json(files, blob(config.digest), config.digest)),
    layers: layers.map(({ digest }) => present(files, blob(digest))),
  }
}

async function ofDocker(files: ImageFiles): Promise<Found> {
  const [first] = dockerManifest.parse(await json(files, 'manifest.json'))
  if (first === undefined) throw refused('it is empty')
  return {
    config: imageConfig.parse(await json(files, first.Config)),
    layers: first.Layers.map((layer) => present(files, layer)),
  }
}

function isOurs({ os, architecture }: { readonly os: string; readonly architecture: string }): boolean {
  return os === 'linux' && architecture === 'amd64'
}

function blob(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`
}

function present(files: ImageFiles, member: string): string {
  const path = files.path(member)
  if (path === undefined) throw refused(`it has no ${member}`)
  return path
}

async function json(files: ImageFiles, member: string, digest?: string): Promise<unknown> {
  const path = present(files, member)
  if (statSync(path).size > LARGEST_JSON) throw refused(`${member} is too large`)
  const bytes = await readFile(path)
  if (digest !== undefined && `sha256:${createHash('sha256').update(bytes).digest('hex')}` !== digest)
    throw refused(`${member} is not what its name says`)
  return JSON.parse(bytes.toString())
}

/** The layer unpacked, as it comes. Throws `config_invalid` at its end when it is not what the image says. */
export async function* unpackedLayer({ path, digest }: Layer): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  for await (const bytes of await decompressed(path)) {
    hash.update(bytes)
    yield bytes
  }
  if (`sha256:${hash.digest('hex')}` !== digest) throw refused('a layer is not what the image says')
}

async function decompressed(path: string): Promise<AsyncIterable<Buffer>> {
  const [first] = (await createReadStream(path, { end: 3 }).toArray()) as Buffer[]
  const magic = first?.toString('hex') ?? ''
  const packed = createReadStream(path)
  const unpack = magic.startsWith('1f8b') ? createGunzip() : magic === '28b52ffd' ? createZstdDecompress() : undefined
  if (unpack === undefined) return packed as AsyncIterable<Buffer>
  packed.on('error', (error) => unpack.destroy(error))
  return packed.pipe(unpack) as AsyncIterable<Buffer>
}

export function refused(reason: string): CageError {
  return new CageError('config_invalid', `microvm.image cannot be used: ${reason}`)
}
