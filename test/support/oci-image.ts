import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { tar, type TarMember } from './tar.ts'

/** An archive in the OCI image layout of an image with these layers, the lowest first. */
export function ociArchive(layers: readonly (readonly TarMember[])[], architecture = 'amd64'): Buffer {
  const archives = layers.map(tar)
  const packed = archives.map((archive) => gzipSync(archive))
  const config = Buffer.from(
    JSON.stringify({ os: 'linux', architecture, rootfs: { type: 'layers', diff_ids: archives.map(digestOf) } }),
  )
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      config: { digest: digestOf(config) },
      layers: packed.map((each) => ({ digest: digestOf(each) })),
    }),
  )
  const index = JSON.stringify({ schemaVersion: 2, manifests: [{ digest: digestOf(manifest) }] })
  return tar([
    { path: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
    { path: 'index.json', content: index },
    ...[manifest, config, ...packed].map((content) => ({
      path: `blobs/${digestOf(content).replace(':', '/')}`,
      content,
    })),
  ])
}

/** An archive as `podman image save` writes it by default. */
export function dockerArchive(layers: readonly (readonly TarMember[])[]): Buffer {
  const archives = layers.map(tar)
  const config = JSON.stringify({
    os: 'linux',
    architecture: 'amd64',
    rootfs: { type: 'layers', diff_ids: archives.map(digestOf) },
  })
  const name = (bytes: Buffer | string, kind: string): string => `${digestOf(Buffer.from(bytes)).slice(7)}.${kind}`
  const manifest = [{ Config: name(config, 'json'), RepoTags: [], Layers: archives.map((each) => name(each, 'tar')) }]
  return tar([
    ...archives.map((content) => ({ path: name(content, 'tar'), content })),
    { path: name(config, 'json'), content: config },
    { path: 'manifest.json', content: JSON.stringify(manifest) },
  ])
}

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
