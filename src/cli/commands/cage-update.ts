import { updateCage } from '../../cage/update.ts'
import type { Io } from '../io.ts'
import type { CageUpdateFlags } from '../routes/cage-make.ts'
import { packageVersion } from '../version.ts'

export async function cageUpdate(flags: CageUpdateFlags, [name]: readonly [string], io: Io): Promise<number> {
  await updateCage({
    name,
    configPath: flags.config,
    workingDirectory: io.cwd(),
    environment: io.env,
    version: packageVersion(),
    report: (line) => void io.stdout.write(`${line}\n`),
  })
  io.stdout.write(`Updated cage '${name}'\n`)
  return 0
}
