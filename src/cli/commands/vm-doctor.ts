import { resolve } from 'node:path'
import { checkMachineParts } from '../../cage/machine-doctor.ts'
import { machinesFolder } from '../../system/paths.ts'
import type { Io } from '../io.ts'
import { checksText } from '../render/checks.ts'
import type { VmDoctorFlags } from '../routes/vm.ts'

/** `agentcage vm doctor`: 0 when machines of the VMM that is meant can run on this host, 1 when something is missing. */
export async function vmDoctor(
  { kernel, firecracker, json }: VmDoctorFlags,
  _args: readonly [],
  io: Io,
): Promise<number> {
  const meant = {
    kernel: kernel === undefined ? undefined : resolve(io.cwd(), kernel),
    firecracker: firecracker?.includes('/') ? resolve(io.cwd(), firecracker) : firecracker,
  }
  const checks = await checkMachineParts(meant, machinesFolder(io.env))
  const ready = checks.every(({ status }) => status !== 'missing')
  const vmm = firecracker === undefined ? 'QEMU’s' : 'Firecracker’s'
  const verdict = ready
    ? `This host has what machines of ${vmm} need.`
    : `This host cannot run machines of ${vmm} yet; mend what is missing.`
  io.stdout.write(json ? `${JSON.stringify({ ok: ready, checks }, null, 2)}\n` : `${checksText(checks)}${verdict}\n`)
  return ready ? 0 : 1
}
