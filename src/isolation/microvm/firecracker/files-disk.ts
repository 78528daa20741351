import { open } from 'node:fs/promises'
import { CageError } from '../../../errors.ts'
import type { Mount, WorkloadPlan } from '../../isolation.ts'
import { launchWorkload, type MoatNamespaces } from '../../process/launch.ts'
import { boundedText } from '../../../system/spawn.ts'
import { GUEST_TREE, MACHINE_FOLDER } from '../machine-mounts.ts'
import { fileSystemArguments, requireMkfs } from '../scratch-disk.ts'
import { DiskError } from './disk-error.ts'
import { DiskReader } from './ext4.ts'
import { handBack, type HandBackReport } from './hand-back.ts'
import { rememberDisk, rememberHost, type Memory } from './memory.ts'
import { boundaries, handedPlaces } from './places.ts'

/** Room for what the guest sees of the host, and for what it adds. It takes room on the host as it is filled. */
const FILES_MEBIBYTES = 16_384

/** A disk with what a guest sees of the host, and what is needed to take its changes over. */
export interface FilesDisk {
  readonly path: string
  readonly mounts: readonly Mount[]
  readonly memory: Memory
}

export interface FilesDiskOptions {
  /** An empty file of ours. */
  readonly path: string
  /** The workload's. */
  readonly mounts: readonly Mount[]
  /** A cage that shows the guest's tree, and the disk as `files`. */
  readonly cage: readonly Mount[]
  readonly moat: MoatNamespaces
  readonly limits: WorkloadPlan['limits']
  readonly signal?: AbortSignal | undefined
}

/**
 * Fills the disk in a cage that shows what a workload without a machine would see: masks, hidden folders and all. Throws
 * `workload_failed` where that is more than the disk holds, or some of it cannot be read.
 */
export async function makeFilesDisk(options: FilesDiskOptions): Promise<FilesDisk> {
  const { path, mounts, cage, moat, limits, signal } = options
  const [places, stops] = [handedPlaces(mounts), boundaries(mounts)]
  // First: what changes while the disk is filled counts as changed by the host.
  const host = await rememberHost(places, stops)
  {
    await using file = await open(path, 'r+')
    await file.truncate(FILES_MEBIBYTES * 1024 * 1024)
  }
  const making = await launchWorkload(
    {
      command: [requireMkfs(), ...fileSystemArguments(`${MACHINE_FOLDER}/files`, GUEST_TREE)],
      workingDirectory: '/',
      environment: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      mounts: cage,
      limits,
    },
    moat,
    { stdio: ['ignore', 'ignore', 'pipe'], signal },
  )
  if (making.stderr === undefined) throw new TypeError('a stream that was asked for is missing')
  const complaint = boundedText(making.stderr, 4096)
  const { code } = await making.exited
  if (code !== 0) {
    throw new CageError('workload_failed', `project and volumes cannot be copied to a disk: ${complaint().trim()}`, {
      hint: `It holds ${FILES_MEBIBYTES / 1024} GiB; files in it must be readable. Use microvm.vmm: qemu, which copies nothing.`,
    })
  }
  try {
    await using disk = await DiskReader.open(path)
    return { path, mounts, memory: { host, disk: await rememberDisk(disk, places, stops) } }
  } catch (error) {
    if (!(error instanceof DiskError)) throw error
    throw new CageError('workload_failed', `project and volumes cannot be copied to a disk: ${error.message}`, {
      hint: 'Use microvm.vmm: qemu, which copies nothing.',
    })
  }
}

/** Takes over what the guest changed. Throws DiskError when the disk cannot be read. */
export async function handBackFiles({ path, mounts, memory }: FilesDisk): Promise<HandBackReport> {
  await using disk = await DiskReader.open(path)
  const mostBytes = FILES_MEBIBYTES * 1024 * 1024
  return await handBack(disk, { places: handedPlaces(mounts), stops: boundaries(mounts), memory, mostBytes })
}
