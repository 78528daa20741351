import { backendOf } from '../../cage/backends.ts'
import { loadDeployment } from '../../cage/deployment.ts'
import { secretVariables } from '../../cage/secret-variables.ts'
import { CageError } from '../../errors.ts'
import { forwardSignals } from '../forward-signals.ts'
import type { Io } from '../io.ts'
import type { CageExecFlags } from '../routes/cage-enter.ts'

/** `agentcage cage exec NAME -- COMMAND`: the command's exit code is ours. */
export async function cageExec(flags: CageExecFlags, args: readonly string[], io: Io): Promise<number> {
  const [name = '', program, ...rest] = args
  if (program === undefined) throw new CageError('usage', 'there is no command to run')
  return enter({ name, command: [program, ...rest], part: flags.service, io })
}

/** bash where the cage has it, else sh. */
const SHELL = 'if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi'

export async function cageShell(_flags: object, [name]: readonly [string], io: Io): Promise<number> {
  return enter({ name, command: ['/bin/sh', '-c', SHELL], part: 'cage', io })
}

interface Entry {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly part: 'cage' | 'egress'
  readonly io: Io
}

async function enter({ name, command, part, io }: Entry): Promise<number> {
  const deployment = await loadDeployment(name, io.env)
  const backend = await backendOf(deployment.record.isolation)
  const execution = await backend.exec(deployment, {
    command,
    part,
    stdio: ['inherit', 'inherit', 'inherit'],
    placeholders: await secretVariables(deployment.config, deployment.stateFolder),
    log: (message) => void io.stderr.write(`agentcage: ${message}\n`),
  })
  using _signals = forwardSignals(execution)
  return (await execution.exited).code
}
