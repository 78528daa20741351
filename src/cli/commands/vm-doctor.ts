import { resolve } from 'node:path'
import { checkMachineParts } from '../../cage/machine-doctor.ts'
import { machinesFolder } from '../../system/paths.ts'
import type { Io } from '../io.ts'
import { checksText } from '../render/checks.ts'
import type { VmDoctorFlags } from '../routes/vm.ts'

/** `agentcage vm doctor`: 0 when machines can run on this host, 1 when something that they need is missing. */
export async function vmDoctor({ kernel, json }: VmDoctorFlags, _args: readonly [], io: Io): Promise<number> {
  const checks = await checkMachineParts(
    kernel === undefined ? undefined : resolve(io.cwd(), kernel),
    machinesFolder(io.env),
  )
  const ready = checks.every(({ status }) => status !== 'missing')
  const verdict = ready
    ? 'This host has what machines need.'
    : 'This host cannot run machines yet; mend what is missing.'
  io.stdout.write(json ? `${JSON.stringify({ ok: ready, checks }, null, 2)}\n` : `${checksText(checks)}${verdict}\n`)
  return ready ? 0 : 1
}
