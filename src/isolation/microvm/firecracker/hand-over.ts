import { CageError } from '../../../errors.ts'
import { printable } from '../../../system/printable.ts'
import type { WorkloadExit } from '../../isolation.ts'
import type { MachineOptions } from '../machine-options.ts'
import { DiskError } from './disk-error.ts'
import { handBackFiles, type FilesDisk } from './files-disk.ts'
import type { HandBackReport } from './hand-back.ts'
import { handedPlaces } from './places.ts'
import { keepDisk } from './unsaved-disk.ts'

const MOST_NAMED = 20

/**
 * Takes a guest's changes over when it has ended, and says what was not. A guest that ended in another way has not written all
 * to its disk, and half of a file is worse than the old one. A disk with what nothing else has is kept.
 */
export async function whenHandedBack(
  exited: Promise<WorkloadExit>,
  files: FilesDisk,
  { cache, log }: Pick<MachineOptions, 'cache' | 'log'>,
): Promise<WorkloadExit> {
  const project = handedPlaces(files.mounts)[0]?.source ?? ''
  const keep = async (what: string): Promise<void> =>
    log(`warning: ${what}; the guest’s disk is in ${await keepDisk({ path: files.path, project, cache })}`)
  const exit = await exited.catch(async (error: unknown) => {
    await keep('nothing that the guest changed was taken over')
    throw error
  })
  const report = await handBackFiles(files).catch(async (error: unknown) => {
    await keep('not all that the guest changed was taken over')
    if (!(error instanceof DiskError)) throw error
    throw new CageError('workload_failed', `the guest's disk cannot be read: ${error.message}`, { cause: error })
  })
  nameKept(report, log)
  if (report.needsDisk) await keep('some of that could not be read or written')
  return exit
}

function nameKept({ kept }: HandBackReport, log: (message: string) => void): void {
  for (const { path, reason } of kept.slice(0, MOST_NAMED))
    log(`warning: ${printable(path)} was not taken over: ${reason}`)
  if (kept.length > MOST_NAMED) log(`warning: and ${kept.length - MOST_NAMED} more were not taken over`)
}
