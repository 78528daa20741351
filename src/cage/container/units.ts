import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CageError } from '../../errors.ts'
import { cageNames } from '../../isolation/container/names.ts'
import { cageQuadlets } from '../../isolation/container/unit-files.ts'
import { userManager } from '../../isolation/systemd/user-manager.ts'
import { usable } from '../../secrets/private-state.ts'
import { isErrno, writeFileAtomic } from '../../system/files.ts'
import { userConfigHome } from '../../system/paths.ts'
import type { Part, UnitFile } from '../backend.ts'
import type { Deployment, Environment } from '../deployment.ts'
import { planCage } from './plan.ts'

/** Where Podman's generator looks for a user's quadlets. */
export function quadletFolder(environment: Environment): string {
  return join(userConfigHome(environment), 'containers/systemd')
}

/** The services that systemd gets of the quadlets, by the part of the cage. */
export function serviceNames(name: string): Readonly<Record<Part, string>> {
  const { dns, proxy, cage } = cageNames(name)
  return { dns: `${dns}.service`, proxy: `${proxy}.service`, cage: `${cage}.service` }
}

/** Services that make what the containers need, and have nothing to do after that. */
export function preparingServices(name: string): readonly string[] {
  return [`${cageNames(name).network}-network.service`, `${name}-certs-volume.service`]
}

export function unitFiles(deployment: Deployment): readonly UnitFile[] {
  const folder = quadletFolder(deployment.environment)
  return cageQuadlets(planCage(deployment)).map(({ name, content }) => ({ name, content, path: join(folder, name) }))
}

/** Each in one step; the generator never sees half a file. */
export async function writeUnits(files: readonly UnitFile[], environment: Environment): Promise<void> {
  const folder = quadletFolder(environment)
  await usable(folder, () => mkdir(folder, { recursive: true }))
  for (const { path, content } of files) await usable(path, () => writeFileAtomic(path, content, { mode: 0o644 }))
  await reloadSystemd(environment)
}

/** Yields the names of those that were there. */
export async function removeUnits(name: string, environment: Environment): Promise<readonly string[]> {
  const names = cageNames(name)
  const files = [
    `${names.network}.network`,
    `${name}-certs.volume`,
    ...[names.dns, names.proxy, names.cage].map((container) => `${container}.container`),
  ]
  const removed: string[] = []
  for (const file of files) {
    const path = join(quadletFolder(environment), file)
    try {
      await rm(path)
      removed.push(file)
    } catch (error) {
      if (!isErrno(error, 'ENOENT'))
        throw new CageError('state_unusable', `${path} cannot be removed`, { cause: error })
    }
  }
  await reloadSystemd(environment)
  return removed
}

async function reloadSystemd(environment: Environment): Promise<void> {
  const { code, stderr } = await userManager(environment).systemctl(['daemon-reload'], 60_000)
  if (code !== 0) throw new CageError('service_failed', `systemd did not read the units: ${stderr.trim()}`)
}
