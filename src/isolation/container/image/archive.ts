import { arch } from 'node:process'
import type { ImageConfig } from './contents.ts'
import { writeTar, type TarEntry } from './tar.ts'

/** An image of one layer, as `podman load` takes it. */
export interface ImageArchive {
  /** What `imageConfigText` gave. */
  readonly config: string
  /** SHA-256 of the config: the image's ID. */
  readonly hash: string
  readonly reference: string
  readonly entries: readonly TarEntry[]
  /** Bytes of the layer. */
  readonly size: number
}

/**
 * The configuration of an image of one layer (OCI image-spec, config.md). It names the layer by its SHA-256, and its own is
 * the image's ID: without a time in it, the same content has the same ID on every host.
 */
export function imageConfigText({ entrypoint, user, environment }: ImageConfig, layer: string): string {
  return JSON.stringify({
    created: NO_TIME,
    architecture: ARCHITECTURES[arch] ?? arch,
    os: 'linux',
    config: {
      Entrypoint: entrypoint,
      User: user,
      Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      WorkingDir: '/',
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
    history: [{ created: NO_TIME, created_by: 'agentcage' }],
  })
}

/** The entries of an archive in the form of `docker save`, the layer among them. */
export function imageArchive({ config, hash, reference, entries, size }: ImageArchive): readonly TarEntry[] {
  const manifest = [{ Config: `${hash}.json`, RepoTags: [reference], Layers: [LAYER] }]
  return [
    textEntry(`${hash}.json`, config),
    { kind: 'file', path: LAYER, mode: 0o644, size, read: () => writeTar(entries) },
    textEntry('manifest.json', JSON.stringify(manifest)),
  ]
}

const NO_TIME = '1970-01-01T00:00:00Z'
const LAYER = 'layer.tar'

/** Go's names, which images use. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' }

function textEntry(path: string, text: string): TarEntry {
  const bytes = Buffer.from(text)
  return { kind: 'file', path, mode: 0o644, size: bytes.length, read: () => [bytes] }
}
