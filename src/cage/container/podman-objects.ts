import { CageError } from '../../errors.ts'
import { EGRESS_USER } from '../../isolation/container/egress-containers.ts'
import { buildEgressImage, imageToRun, planEgressImage } from '../../isolation/container/image/image.ts'
import { cageNames, podmanSecretName } from '../../isolation/container/names.ts'
import { lastLine, type Podman } from '../../isolation/container/podman.ts'
import type { Step } from '../backend.ts'
import type { Deployment } from '../deployment.ts'
import { podmanSecretValues } from './state-files.ts'

/**
 * Makes the image that is on record unless it is there, be it of another agentcage. Throws `service_failed` when this one
 * would make another.
 */
export async function ensureEgressImage(
  podman: Podman,
  { name, record }: Pick<Deployment, 'name' | 'record'>,
  { report }: Step,
): Promise<void> {
  const { egress_image: hash, egress_base: base } = record
  if (hash !== undefined && (await podman.has('image', imageToRun({ hash, base })))) return
  const image = await planEgressImage(EGRESS_USER)
  if (image.hash !== hash)
    throw new CageError('service_failed', `agentcage is not the one that cage '${name}' was made with`, {
      hint: `agentcage cage update ${name} takes the one of now.`,
    })
  report('Building the image of the egress...')
  await buildEgressImage(podman, image)
}

const PULL_PATIENCE = 1_800_000

/** Fetches the workload's image unless it is there. Throws `service_failed` when it cannot be had. */
export async function ensureWorkloadImage(
  podman: Podman,
  { config }: Pick<Deployment, 'config'>,
  { report, signal }: Step,
): Promise<void> {
  const { image } = config.container
  if (image === undefined || (await podman.has('image', image))) return
  report(`Pulling ${image}...`)
  const { code, stderr } = await podman.run(['pull', '--quiet', image], { timeout: PULL_PATIENCE, signal })
  if (code === 0) return
  throw new CageError(
    'service_failed',
    `the image ${image} is neither here nor can it be pulled: ${lastLine(stderr)}`,
    {
      hint: `Correct container.image, or try: podman pull ${image}`,
    },
  )
}

/** Values go by standard input: arguments can be read by every user of this host. */
export async function storePodmanSecrets(podman: Podman, deployment: Deployment): Promise<void> {
  const values = await podmanSecretValues(deployment)
  for (const [key, value] of values) await storePodmanSecret(podman, podmanSecretName(deployment.name, key), value)
}

export async function storePodmanSecret(podman: Podman, name: string, value: string): Promise<void> {
  const { code, stderr } = await podman.run(['secret', 'create', '--replace', name, '-'], { input: value })
  if (code !== 0) throw new CageError('service_failed', `podman did not take the secret ${name}: ${lastLine(stderr)}`)
}

/** Containers, network, certificate authority and secrets of a cage; volumes that the user named stay. */
export async function removeFromPodman(podman: Podman, name: string): Promise<readonly string[]> {
  const names = cageNames(name)
  await podman.run(['rm', '--force', '--ignore', '--time', '5', names.cage, names.proxy, names.dns])
  const removed: string[] = []
  if (await succeeds(podman, ['network', 'rm', names.network])) removed.push(`network:${names.network}`)
  if (await succeeds(podman, ['volume', 'rm', names.volume])) removed.push(`volume:${names.volume}`)
  const { stdout } = await podman.run(['secret', 'ls', '--format', '{{.Name}}'])
  for (const secret of stdout.split('\n').filter((text) => text.startsWith(`${name}.`)))
    if (await succeeds(podman, ['secret', 'rm', secret])) removed.push(`secret:${secret}`)
  return removed
}

async function succeeds(podman: Podman, args: readonly string[]): Promise<boolean> {
  return (await podman.run(args)).code === 0
}
