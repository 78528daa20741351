import { createHash } from 'node:crypto'
import { CageError } from '../../../errors.ts'
import type { Podman } from '../podman.ts'
import { imageArchive, imageConfigText } from './archive.ts'
import { buildContext, FALLBACK_BASE } from './containerfile.ts'
import { configFor, egressContents, programEntries } from './contents.ts'
import { tarSize, writeTar, type TarEntry } from './tar.ts'

/** The egress's image as this host would make it now. */
export interface EgressImage {
  /** SHA-256 of everything in it, lower-case hex. Without `base` it is what Podman calls the image's ID. */
  readonly hash: string
  /** The pinned image that it is built on, where this host's Node cannot run in a container. */
  readonly base: string | undefined
  readonly source: ImageSource
}

type ImageSource =
  | { readonly kind: 'own'; readonly entries: readonly TarEntry[]; readonly config: string; readonly layer: string }
  | { readonly kind: 'build'; readonly context: readonly TarEntry[] }

const REPOSITORY = 'localhost/agentcage-egress'

/** Under which name people find it; see `imageToRun` for what containers go by. */
function imageReference(hash: string): string {
  return `${REPOSITORY}:${hash.slice(0, 16)}`
}

/**
 * What a container names: the hash of the content itself, so that nothing else is ever started in its place, whatever a
 * name has come to mean. An image on a base has an ID that is not known before it is built; that one goes by its name.
 */
export function imageToRun({ hash, base }: Pick<EgressImage, 'hash' | 'base'>): string {
  return base === undefined ? `sha256:${hash}` : imageReference(hash)
}

/** Gathers what goes in and takes its hash; takes a fraction of a second and changes nothing. */
export async function planEgressImage(user: number): Promise<EgressImage> {
  const contents = await egressContents(user)
  if (contents === undefined) {
    const context = buildContext(await programEntries(user), await configFor(user, []))
    return { hash: await digestOf(writeTar(context)), base: FALLBACK_BASE, source: { kind: 'build', context } }
  }
  const layer = await digestOf(writeTar(contents.entries))
  const config = imageConfigText(contents.config, layer)
  const hash = createHash('sha256').update(config).digest('hex')
  return { hash, base: undefined, source: { kind: 'own', entries: contents.entries, config, layer } }
}

/**
 * Makes the image unless Podman has it. Throws `service_failed` when it cannot be made, or when the files changed after
 * their hash was taken; then there is no such image.
 */
export async function buildEgressImage(podman: Podman, image: EgressImage): Promise<void> {
  if (await podman.has('image', imageToRun(image))) return
  const { source } = image
  const reference = imageReference(image.hash)
  const { code, stderr } =
    source.kind === 'own'
      ? await podman.feed(
          ['load', '--quiet'],
          writeTar(imageArchive({ ...source, hash: image.hash, reference, size: tarSize(source.entries) })),
        )
      : await podman.feed(['build', '--quiet', '--tag', reference, '-'], writeTar(source.context))
  // Podman takes no layer but the one that the hash was made of.
  if (code === 0 && (await podman.has('image', imageToRun(image)))) return
  throw new CageError(
    'service_failed',
    `the image of the egress could not be made: ${stderr.trim() || 'Podman has none afterwards'}`,
    {
      hint: 'If files of agentcage changed or images were pruned meanwhile, try again; else look at the free space of the disk (podman system df).',
    },
  )
}

/** Removes what earlier versions of agentcage left here, but those with one of these hashes. Yields their names. */
export async function pruneEgressImages(podman: Podman, inUse: readonly string[]): Promise<readonly string[]> {
  const kept = new Set(inUse.map(imageReference))
  const { stdout } = await podman.run([
    'image',
    'ls',
    '--format',
    '{{.Repository}}:{{.Tag}}',
    '--filter',
    `reference=${REPOSITORY}`,
  ])
  const old = stdout.split('\n').filter((name) => name.startsWith(`${REPOSITORY}:`) && !kept.has(name))
  const removed: string[] = []
  // One that a container still has is refused, and is the next one's to remove.
  for (const name of old) if ((await podman.run(['image', 'rm', name])).code === 0) removed.push(name)
  return removed
}

async function digestOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const digest = createHash('sha256')
  for await (const chunk of chunks) digest.update(chunk)
  return digest.digest('hex')
}
