import { resolve } from 'node:path'
import { checkMachineParts } from '../../cage/machine-doctor.ts'
import { tryMachine } from '../../cage/machine-trial.ts'
import { machinesFolder } from '../../system/paths.ts'
import type { Io } from '../io.ts'
import { checksText } from '../render/checks.ts'
import type { VmSetupFlags } from '../routes/vm.ts'

/** `agentcage vm setup`: 0 when a guest has run, 1 when parts are missing. */
export async function vmSetup({ kernel: named }: VmSetupFlags, _args: readonly [], io: Io): Promise<number> {
  const kernel = named === undefined ? undefined : resolve(io.cwd(), named)
  const checks = await checkMachineParts({ kernel }, machinesFolder(io.env))
  const issues = checks.filter(({ status }) => status === 'missing')
  if (issues.length > 0) {
    io.stdout.write(`Remaining issues:\n${checksText(issues)}`)
    return 1
  }
  io.stdout.write(
    checksText(checks.filter(({ name, status }) => name === 'qemu' || name === 'kernel' || status === 'absent')),
  )
  const elapsed = await tryMachine({
    kernel,
    environment: io.env,
    log: (message) => void io.stderr.write(`${message}\n`),
  })
  io.stdout.write(`All prerequisites met: a guest ran after ${(elapsed / 1000).toFixed(1)} s.\n`)
  return 0
}
