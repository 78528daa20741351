import { checkHost, type Check } from '../../cage/doctor.ts'
import type { Io } from '../io.ts'
import type { DoctorFlags } from '../routes/doctor.ts'

/** `agentcage doctor`: 0 when cages can run on this host, 1 when something that they need is missing. */
export async function doctor(flags: DoctorFlags, _args: readonly [], io: Io): Promise<number> {
  const checks = await checkHost(io.env)
  const ready = checks.every(({ status }) => status !== 'missing')
  io.stdout.write(
    flags.json
      ? `${JSON.stringify({ ok: ready, checks }, null, 2)}\n`
      : `${checks.map(text).join('')}${verdict(ready)}\n`,
  )
  return ready ? 0 : 1
}

function text({ name, status, detail, mend }: Check): string {
  const line = `${`[${status}]`.padEnd(10)}${name}: ${detail}\n`
  return mend === undefined || status === 'ok' ? line : `${line}${' '.repeat(10)}mend: ${mend}\n`
}

function verdict(ready: boolean): string {
  return ready ? 'This host can run cages.' : 'This host cannot run cages yet; mend what is missing.'
}
