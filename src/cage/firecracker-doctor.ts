import { existsSync } from 'node:fs'
import { findFirecracker, TUN } from '../isolation/microvm/firecracker/require-firecracker.ts'
import { mayOpenDevice } from '../isolation/microvm/host-parts.ts'
import { vmmSum } from '../isolation/microvm/vmm-sum.ts'
import { findProgram, PROGRAM_FOLDERS } from '../system/process.ts'
import { runProgram } from '../system/spawn.ts'
import { installCommand, packageManager } from './doctor-packages.ts'
import type { Check } from './doctor.ts'

/** The oldest whose API has all that is asked for. */
const OLDEST = [1, 8] as const

/**
 * Looks at what only machines of Firecracker's need; `named`: its program, where machines are to be Firecracker's. Where they
 * are not, what lacks is absent, which does no harm.
 */
export async function checkFirecrackerParts(named: string | undefined): Promise<readonly Check[]> {
  const checks = [await checkProgram(named ?? 'firecracker'), checkTun(), checkSocat()]
  return named === undefined ? checks.map(absentIfMissing) : checks
}

/** A part that only the other VMM needs. */
export function absentIfMissing(check: Check): Check {
  return check.status === 'missing' ? { ...check, status: 'absent' } : check
}

async function checkProgram(name: string): Promise<Check> {
  const lacks = (detail: string): Check => ({
    name: 'firecracker',
    status: 'missing',
    detail,
    mend: 'sudo install release-v*/firecracker-v*-x86_64 /usr/local/bin/firecracker  # from an unpacked release of https://github.com/firecracker-microvm/firecracker',
  })
  const path = findFirecracker(name)
  if (path === undefined) {
    const place = name.startsWith('/') ? `no program at ${name}` : `no ${name} in ${PROGRAM_FOLDERS.join(', ')}`
    return lacks(`${place}; for microvm.vmm: firecracker (microvm.firecracker_bin names another)`)
  }
  const version = /^Firecracker v(\d+)\.(\d+)\S*/m.exec(
    (await runProgram(path, ['--version'], { environment: {} })).stdout,
  )
  if (version === null) return lacks(`${path} does not say that it is Firecracker (--version)`)
  const [major, minor] = [Number(version[1]), Number(version[2])]
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    return lacks(`${path} is ${version[0]}; ${OLDEST.join('.')} or newer is needed`)
  return { name: 'firecracker', status: 'ok', detail: `${path}, ${version[0]}, SHA-256 ${vmmSum(path)}` }
}

function checkTun(): Check {
  const name = 'tun'
  if (mayOpenDevice(TUN)) return { name, status: 'ok', detail: `${TUN} may be opened` }
  return existsSync(TUN)
    ? { name, status: 'missing', detail: `${TUN} may not be opened by this user`, mend: `sudo chmod a+rw ${TUN}` }
    : { name, status: 'missing', detail: `there is no ${TUN}`, mend: 'sudo modprobe tun' }
}

function checkSocat(): Check {
  const path = findProgram('socat')
  if (path !== undefined) return { name: 'socat', status: 'ok', detail: path }
  const mend = installCommand(packageManager(), () => 'socat')
  return { name: 'socat', status: 'missing', detail: 'not installed: microvm.vmm: firecracker needs it', mend }
}
