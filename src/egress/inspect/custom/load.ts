import type { Config } from '../../../config/schema.ts'
import { CageError } from '../../../errors.ts'
import { printable } from '../../../system/printable.ts'
import { CustomInspector } from './custom-inspector.ts'
import { readKeptProgram, type KeptInspectors } from './kept-program.ts'
import { readProgram, type InspectorFolders, type InspectorProgram } from './program.ts'
import { UnusableProgram } from './thread.ts'

/** Where the programs of inspectors are read: in folders of their owner, or among the copies of a cage that stays. */
export type InspectorPlace = InspectorFolders | KeptInspectors

export interface LoadOptions {
  readonly place: InspectorPlace
  /** For the operator. */
  readonly log: (message: string) => void
  /** Those in force so far: what is the same goes on as it is. */
  readonly before?: readonly CustomInspector[]
}

/**
 * The inspectors of the configuration, in its order, each started. Throws CageError `config_invalid` when one cannot be
 * used, and leaves none behind that was not there before.
 */
export async function loadCustomInspectors(
  { inspectors: entries }: Pick<Config, 'inspectors'>,
  { place, log, before = [] }: LoadOptions,
): Promise<readonly CustomInspector[]> {
  const loaded: CustomInspector[] = []
  try {
    for (const entry of entries) {
      const program = await read(entry, place)
      loaded.push(before.find((known) => isSame(known.program, program)) ?? (await start(program, log)))
    }
    return loaded
  } catch (error) {
    await Promise.all(loaded.filter((inspector) => !before.includes(inspector)).map((inspector) => inspector.close()))
    throw error
  }
}

function read(entry: Config['inspectors'][number], place: InspectorPlace): Promise<InspectorProgram> {
  return 'recorded' in place ? readKeptProgram(entry, place) : readProgram(entry, place)
}

async function start(program: InspectorProgram, log: (message: string) => void): Promise<CustomInspector> {
  try {
    const inspector = await CustomInspector.start(program, log)
    log(`inspector ${program.name}: ${program.path}, SHA-256 ${program.sha256}`)
    return inspector
  } catch (cause) {
    if (!(cause instanceof UnusableProgram)) throw cause
    throw new CageError('config_invalid', `inspectors: ${program.name}: ${program.path}: ${printable(cause.message)}`, {
      hint: 'What an inspector has to be is on the page about inspectors of your own.',
      cause,
    })
  }
}

function isSame(one: InspectorProgram, other: InspectorProgram): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
