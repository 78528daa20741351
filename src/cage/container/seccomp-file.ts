import { readFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { CageError } from '../../errors.ts'
import { writesToHost } from '../../isolation/container/agent-container.ts'
import type { Podman } from '../../isolation/container/podman.ts'
import { profileWithoutSetId } from '../../isolation/container/seccomp-profile.ts'
import type { AgentVolumes } from '../../isolation/container/volumes.ts'
import { usable } from '../../secrets/private-state.ts'
import { writeFileAtomic } from '../../system/files.ts'
import { SECCOMP_FILE, type Deployment } from '../deployment.ts'

/** Of the workload's container, where it writes to folders of the host. */
export function seccompFile({ folder }: Pick<Deployment, 'folder'>): string {
  return join(folder, SECCOMP_FILE)
}

/** Makes it of the profile that Podman goes by on this host. Throws `host_unsupported` where there is none to go by. */
export async function writeSeccompFile(
  podman: Podman,
  deployment: Pick<Deployment, 'folder'>,
  { mounts }: Pick<AgentVolumes, 'mounts'>,
): Promise<void> {
  if (!writesToHost(mounts)) return
  const { seccompProfile: path } = await podman.info()
  if (!isAbsolute(path)) throw missing(path === '' ? 'podman info names none' : `podman info names '${path}'`)
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw missing(`${path}: ${String(error)}`)
  })
  const file = seccompFile(deployment)
  const profile = profileWithoutSetId(text, path)
  await usable(file, () => writeFileAtomic(file, profile, { mode: 0o600 }))
}

function missing(reason: string): CageError {
  return new CageError('host_unsupported', `Podman has no seccomp profile to go by here (${reason})`, {
    hint: 'A cage with writable folders needs one. Debian: sudo apt-get install golang-github-containers-common',
  })
}
