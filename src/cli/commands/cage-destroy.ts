import { isKept } from '../../cage/deployment.ts'
import { destroyCage } from '../../cage/destroy.ts'
import { confirm } from '../confirm.ts'
import type { Io } from '../io.ts'
import { printable } from '../render/printable.ts'
import type { CageDestroyFlags } from '../routes/cage-make.ts'

export async function cageDestroy(flags: CageDestroyFlags, [name]: readonly [string], io: Io): Promise<number> {
  if (!(await isKept(name, io.env))) {
    io.stdout.write(`Nothing to remove (cage "${name}" not found).\n`)
    return 0
  }
  const question = `Destroy cage "${name}"? This will stop its services and remove units, state, and scoped secrets.`
  if (!flags.yes && !(await confirm(question, io))) {
    io.stderr.write('Aborted.\n')
    return 1
  }
  const report = (line: string): void => void io.stdout.write(`${line}\n`)
  const removed = await destroyCage({ name, keepSecrets: flags.keepSecrets, environment: io.env, report })
  if (removed.length === 0) io.stdout.write(`Nothing to remove (cage "${name}" not found).\n`)
  else io.stdout.write(`\nRemoved:\n${removed.map((item) => `  ${printable(item)}\n`).join('')}`)
  return 0
}
