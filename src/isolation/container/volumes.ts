import type { Mount } from '../isolation.ts'
import { credentialGuard } from '../process/credentials.ts'
import type { HostFacts } from '../process/host.ts'
import { isWithin, realPath } from '../process/paths.ts'
import type { StandIn } from '../process/stand-ins.ts'
import { protectVolumes } from '../process/volume-protection.ts'
import { volumeMounts, type VolumeSettings } from '../process/volumes.ts'
import type { ContainerMount } from './spec.ts'

export interface VolumeRequest {
  readonly container: VolumeSettings
  /** Files that decide about the cage; the workload may not change them. */
  readonly settings: readonly string[]
  /** A folder in which these files may lie, absolute: there they are read-only. A volume with one elsewhere is refused. */
  readonly project?: string | undefined
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
export function agentVolumes({ container, settings: all, host, reserved, project }: VolumeRequest): AgentVolumes {
  const guard = credentialGuard(host.home)
  const folder = project === undefined ? undefined : (realPath(project) ?? project)
  const real = (path: string): string => realPath(path) ?? path
  const isInProject = (path: string): boolean => folder !== undefined && isWithin(real(path), folder)
  const { mounts } = volumeMounts({
    container,
    project: host.home,
    settings: all.filter((path) => !isInProject(path)),
    writable: folder === undefined ? [] : [folder],
    host,
    guard,
    below: [],
    reserved,
  })
  const protection = protectVolumes(mounts, { settings: all.filter(isInProject).map(real) })
  return {
    mounts: protection.mounts.flatMap(containerMount),
    standIns: protection.standIns,
    warnings: protection.warnings,
  }
}

function containerMount(mount: Mount): readonly ContainerMount[] {
  switch (mount.kind) {
    case 'bind':
      return [mount]
    case 'mask':
      return [
        mount.over === 'directory'
          ? { kind: 'tmpfs', target: mount.target, options: 'ro,size=4k,mode=0555,notmpcopyup' }
          : { kind: 'bind', source: '/dev/null', target: mount.target, writable: false },
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
