import { basename } from 'node:path'
import { parseConfig } from '../config/load.ts'
import { CageError } from '../errors.ts'
import { isErrno, writeFileAtomic, writeNewFile } from '../system/files.ts'
import { emptyConfig, cageNameFor } from './run-config.ts'
import { plainText, scaffoldNamed, scaffoldText } from './scaffold/text.ts'

export interface InitRequest {
  /** Of the cage; absent: the folder's. */
  readonly name: string | undefined
  readonly scaffold: string | undefined
  readonly image: string | undefined
  /** Absolute. */
  readonly output: string
  readonly force: boolean
  readonly workingDirectory: string
}

/** Writes a commented configuration that is right as it stands. Yields the cage's name. */
export async function initConfig(request: InitRequest): Promise<string> {
  const name = request.name ?? cageNameFor(emptyConfig(), request.workingDirectory)
  if (request.scaffold !== undefined && request.image !== undefined) {
    throw new CageError('usage', '--scaffold and --image cannot be combined: a scaffold has its own')
  }
  const text =
    request.scaffold === undefined
      ? plainText({ name, image: request.image })
      : scaffoldText(scaffoldNamed(request.scaffold), name)
  parseConfig(text, basename(request.output))
  await write(request, text)
  return name
}

async function write({ output, force }: InitRequest, text: string): Promise<void> {
  try {
    if (force) await writeFileAtomic(output, text, { mode: 0o644 })
    else await writeNewFile(output, text, { mode: 0o644 })
  } catch (error) {
    if (isErrno(error, 'EEXIST')) {
      throw new CageError('usage', `${output} exists already`, { hint: 'Use --force to replace it, or -o FILE.' })
    }
    throw new CageError('usage', `cannot write ${output}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
