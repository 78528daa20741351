import { relative } from 'node:path'
import { join } from 'node:path/posix'
import type { Mount } from '../isolation.ts'
import { credentialGuard } from '../process/credentials.ts'
import type { HostFacts } from '../process/host.ts'
import { isWithin, statOf } from '../process/paths.ts'
import { protectProject } from '../process/protection.ts'
import { surveyRepositories } from '../process/repositories.ts'
import type { StandIn } from '../process/stand-ins.ts'
import { volumeMounts, type VolumeSettings } from '../process/volumes.ts'
import type { ContainerMount } from './spec.ts'

export interface VolumeRequest {
  readonly container: VolumeSettings
  /** Files that decide about the cage; the workload may not change them. */
  readonly settings: readonly string[]
  readonly host: HostFacts
  /** Paths inside that are the cage's own. */
  readonly reserved: readonly string[]
}

export interface AgentVolumes {
  readonly mounts: readonly ContainerMount[]
  /** To be there before the start, see `placeStandIns`. */
  readonly standIns: readonly StandIn[]
  readonly warnings: readonly string[]
}

/**
 * What `container.volumes` shows to the workload: with everything that runs later, outside, (hooks, settings of editors
 * and agents) read-only in folders that it may write. Reads the host's file system, changes nothing. Throws
 * `mount_refused` or `config_invalid`.
 */
export function agentVolumes({ container, settings, host, reserved }: VolumeRequest): AgentVolumes {
  const guard = credentialGuard(host.home)
  const { mounts } = volumeMounts({ container, project: host.home, settings, host, guard, below: [], reserved })
  const binds = mounts.filter((mount) => mount.kind === 'bind')
  const protections = binds.filter(isWritableFolder).map(({ source, target }) => {
    const {
      mounts: all,
      standIns,
      warnings,
    } = protectProject(source, {
      survey: surveyRepositories(source),
      settings: [],
    })
    const inner = all.filter((mount) => isWithin(mount.target, source))
    return { mounts: inner.flatMap((mount) => inside(mount, source, target)), standIns, warnings }
  })
  return {
    mounts: [...binds, ...protections.flatMap((protection) => protection.mounts)],
    standIns: protections.flatMap((protection) => protection.standIns),
    warnings: protections.flatMap((protection) => protection.warnings),
  }
}

type Bind = Extract<Mount, { readonly kind: 'bind' }>

function isWritableFolder({ source, writable }: Bind): boolean {
  return writable && statOf(source)?.isDirectory() === true
}

/** A mount of the project's, at the place where the workload has the project. */
function inside(mount: Mount, source: string, target: string): readonly ContainerMount[] {
  const place = join(target, relative(source, mount.target))
  switch (mount.kind) {
    case 'bind':
      return [{ ...mount, target: place }]
    case 'mask':
      return [
        mount.over === 'directory'
          ? { kind: 'tmpfs', target: place, options: 'ro,size=4k,mode=0555' }
          : { kind: 'bind', source: '/dev/null', target: place, writable: false },
      ]
    case 'tmpfs':
    case 'directory':
    case 'symlink':
    case 'proc':
    case 'dev':
    case 'device':
      return []
  }
}
