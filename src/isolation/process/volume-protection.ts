import { join } from 'node:path/posix'
import { accessSync, constants } from 'node:fs'
import { dirname, relative } from 'node:path'
import type { Mount } from '../isolation.ts'
import { isWithin, statOf } from './paths.ts'
import { protectProject } from './protection.ts'
import { surveyRepositories, type Survey } from './repositories.ts'
import type { StandIn } from './stand-ins.ts'

export type Bind = Extract<Mount, { readonly kind: 'bind' }>

/** A folder that the workload may write, as it was before. */
export interface WritableFolder {
  readonly folder: string
  readonly survey: Survey
}

export interface ProtectedVolumes {
  /** Each volume, and behind it what keeps parts of it read-only. */
  readonly mounts: readonly Mount[]
  readonly standIns: readonly StandIn[]
  readonly warnings: readonly string[]
  readonly folders: readonly WritableFolder[]
}

export interface VolumeProtection {
  /** Those that stay as they are. */
  readonly isOpen?: (volume: Bind) => boolean
  /** Files that decide about the cage, with links resolved: where they lie in a volume they are read-only. */
  readonly settings?: readonly string[]
}

/**
 * Keeps what runs later, outside, (hooks, settings of editors and agents) from being written by way of a volume, as
 * `protectProject` does for the project: a volume may be a repository, or show the project a second time. Those that
 * `isOpen` names stay as they are. Reads the host's file system, changes nothing. Throws `mount_refused`.
 */
export function protectVolumes(
  volumes: readonly Bind[],
  { isOpen = () => false, settings = [] }: VolumeProtection = {},
): ProtectedVolumes {
  const each = volumes.map((volume) =>
    isWritableFolder(volume) && !isOpen(volume) ? protectVolume(volume, settings) : { ...NOTHING, mounts: [volume] },
  )
  return {
    mounts: each.flatMap(({ mounts }) => mounts),
    standIns: each.flatMap(({ standIns }) => standIns),
    warnings: each.flatMap(({ warnings }) => warnings),
    folders: each.flatMap(({ folders }) => folders),
  }
}

const NOTHING = { standIns: [], warnings: [], folders: [] } as const

function protectVolume(volume: Bind, all: readonly string[]): ProtectedVolumes {
  const { source, target } = volume
  const survey = surveyRepositories(source)
  const settings = all.filter((path) => isWithin(path, source))
  const { mounts, standIns, warnings } = protectProject(source, { survey, settings })
  const unneeded = standIns.filter(({ path }) => isOutOfReach(path)).map(({ path }) => path)
  const inner = mounts.filter(
    (mount) => isWithin(mount.target, source) && !unneeded.some((path) => isWithin(mount.target, path)),
  )
  const moved = inner.map((mount) => ({ ...mount, target: join(target, relative(source, mount.target)) }))
  const needed = standIns.filter(({ path }) => !unneeded.includes(path))
  return { mounts: [volume, ...moved], standIns: needed, warnings, folders: [{ folder: source, survey }] }
}

/** Whether nobody of this user could make something there: the folder is somebody else's, and may not be written. */
function isOutOfReach(path: string): boolean {
  const folder = dirname(path)
  const stats = statOf(folder)
  if (stats === undefined) return isOutOfReach(folder)
  if (stats.uid === process.geteuid?.()) return false
  try {
    accessSync(folder, constants.W_OK)
    return false
  } catch {
    return true
  }
}

function isWritableFolder({ source, writable }: Bind): boolean {
  return writable && statOf(source)?.isDirectory() === true
}
