import { CageError } from '../../errors.ts'
import { imageToRun } from '../../isolation/container/image/image.ts'
import { cageNames, podmanSecretName } from '../../isolation/container/names.ts'
import { findPodman, type Podman } from '../../isolation/container/podman.ts'
import { userManager } from '../../isolation/systemd/user-manager.ts'
import type { Step } from '../backend.ts'
import type { Deployment } from '../deployment.ts'
import { ensureEgressImage, ensureWorkloadImage, storePodmanSecrets } from './podman-objects.ts'
import { preparingServices, serviceNames } from './units.ts'

/**
 * Puts back what somebody removed from Podman while a cage was stopped (`podman system prune -a` takes its network and its
 * images). Yields whether anything was missing. Throws `service_failed` for what cannot be had again.
 */
export async function restoreLostObjects(deployment: Deployment, step: Step): Promise<boolean> {
  const podman = findPodman(deployment.environment)
  const images = await restoreImages(podman, deployment, step)
  const secrets = await restoreSecrets(podman, deployment)
  const network = await forgetLostNetwork(podman, deployment)
  return images || secrets || network
}

async function restoreImages(podman: Podman, deployment: Deployment, step: Step): Promise<boolean> {
  const { egress_image: hash, egress_base: base } = deployment.record
  const { image } = deployment.config.container
  const hasEgress = hash !== undefined && (await podman.has('image', imageToRun({ hash, base })))
  const hasWorkload = image !== undefined && (await podman.has('image', image))
  if (!hasEgress) await ensureEgressImage(podman, deployment, step)
  if (!hasWorkload) await ensureWorkloadImage(podman, deployment, step)
  return !hasEgress || !hasWorkload
}

async function restoreSecrets(podman: Podman, deployment: Deployment): Promise<boolean> {
  const names = deployment.config.container.podman_secrets.map((key) => podmanSecretName(deployment.name, key))
  const has = await Promise.all(names.map((name) => podman.has('secret', name)))
  if (has.every(Boolean)) return false
  await storePodmanSecrets(podman, deployment)
  return true
}

/** Its service has done its work once and for all, as systemd sees it: stopped, it is started with the others again. */
async function forgetLostNetwork(podman: Podman, { name, environment }: Deployment): Promise<boolean> {
  if (await podman.has('network', cageNames(name).network)) return false
  const units = [...Object.values(serviceNames(name)), ...preparingServices(name)]
  const { code, stderr } = await userManager(environment).systemctl(['stop', '--', ...units], 180_000)
  if (code === 0) return true
  throw new CageError('service_failed', `the network of cage '${name}' cannot be made anew: ${stderr.trim()}`)
}
