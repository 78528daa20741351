import { resolve } from 'node:path'
import { initConfig } from '../../cage/init.ts'
import type { Io } from '../io.ts'
import { printable } from '../render/printable.ts'
import type { InitFlags } from '../routes/init.ts'

export async function init(flags: InitFlags, [name]: readonly [name?: string], io: Io): Promise<number> {
  const { scaffold, image, force } = flags
  const workingDirectory = io.cwd()
  const output = resolve(workingDirectory, flags.output)
  const cage = await initConfig({ name, scaffold, image, output, force, workingDirectory })
  const file = printable(flags.output)
  io.stdout.write(
    [
      `Wrote ${file} for cage '${cage}'. Next:`,
      `  agentcage run -c ${file} -- COMMAND     once, here`,
      `  agentcage cage create -c ${file}        as a service that stays`,
      '',
    ].join('\n'),
  )
  return 0
}
