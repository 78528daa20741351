import { createHash } from 'node:crypto'
import { CageError } from '../../../errors.ts'
import type { Podman } from '../podman.ts'
import { buildContext } from './containerfile.ts'
import { configFor, egressContents, programEntries, type ImageConfig } from './contents.ts'
import { writeTar, type TarEntry } from './tar.ts'

/** The egress's image as this host would make it now. */
export interface EgressImage {
  /** SHA-256 of everything in it, lower-case hex. */
  readonly hash: string
  /** `localhost/agentcage-egress:` and the hash's first 16 digits. */
  readonly reference: string
  readonly source: ImageSource
}

type ImageSource =
  | { readonly kind: 'own'; readonly entries: readonly TarEntry[]; readonly config: ImageConfig }
  | { readonly kind: 'build'; readonly context: readonly TarEntry[] }

export function imageReference(hash: string): string {
  return `localhost/agentcage-egress:${hash.slice(0, 16)}`
}

/** Gathers what goes in and takes its hash; takes a fraction of a second and changes nothing. */
export async function planEgressImage(user: number): Promise<EgressImage> {
  const source = await sourceFor(user)
  const digest = createHash('sha256')
  digest.update(source.kind === 'own' ? JSON.stringify(source.config) : 'build')
  for await (const chunk of writeTar(entriesOf(source))) digest.update(chunk)
  const hash = digest.digest('hex')
  return { hash, reference: imageReference(hash), source }
}

/**
 * Makes the image unless Podman has it. Throws `service_failed` when it cannot be made, or when the files changed after
 * their hash was taken; then there is no image of that name.
 */
export async function buildEgressImage(podman: Podman, image: EgressImage): Promise<void> {
  if (await podman.has('image', image.reference)) return
  const { source, reference } = image
  const digest = createHash('sha256')
  digest.update(source.kind === 'own' ? JSON.stringify(source.config) : 'build')
  const args =
    source.kind === 'own'
      ? ['import', '--quiet', ...changes(source.config), '-', reference]
      : ['build', '--quiet', '--tag', reference, '-']
  const { code, stderr } = await podman.feed(args, hashed(writeTar(entriesOf(source)), digest))
  if (code !== 0)
    throw new CageError('service_failed', `the image of the egress could not be made: ${stderr.trim()}`, {
      hint: 'Look at the free space of the disk (podman system df) and try again.',
    })
  if (digest.digest('hex') === image.hash) return
  await podman.run(['image', 'rm', '--force', reference])
  throw new CageError('service_failed', 'files of agentcage changed while the image of the egress was made', {
    hint: 'Try again.',
  })
}

async function sourceFor(user: number): Promise<ImageSource> {
  const contents = await egressContents(user)
  if (contents !== undefined) return { kind: 'own', ...contents }
  const config = await configFor(user, [])
  return { kind: 'build', context: buildContext(await programEntries(user), config) }
}

function entriesOf(source: ImageSource): readonly TarEntry[] {
  return source.kind === 'own' ? source.entries : source.context
}

function changes({ entrypoint, user, environment }: ImageConfig): readonly string[] {
  const lines = [
    `ENTRYPOINT ${JSON.stringify(entrypoint)}`,
    `USER ${user}`,
    'WORKDIR /',
    ...Object.entries(environment).map(([name, value]) => `ENV ${name}=${value}`),
  ]
  return lines.flatMap((line) => ['--change', line])
}

async function* hashed(
  chunks: AsyncIterable<Uint8Array>,
  digest: { update(chunk: Uint8Array): unknown },
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    digest.update(chunk)
    yield chunk
  }
}
