import { existsSync, readFileSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CageError } from '../errors.ts'
import { namespaceObstacle } from '../isolation/process/launch-failure.ts'
import { LAUNCH_PROGRAMS, packageOf, type LaunchProgram } from '../isolation/process/launch-programs.ts'
import { launchWorkload } from '../isolation/process/launch.ts'
import { applyLimits } from '../isolation/process/limits.ts'
import { openMoat } from '../isolation/process/moat.ts'
import { machineArchitecture } from '../isolation/process/seccomp.ts'
import { stateHome } from '../system/paths.ts'
import { findProgram } from '../system/process.ts'
import { runProgram } from '../system/spawn.ts'
import { installCommand, packageManager } from './doctor-packages.ts'

/** One thing that process isolation needs, and how this host stands. */
export interface Check {
  readonly name: string
  /** `warning`: it works, with less protection. `missing`: nothing can run. `absent`: only what was not asked for needs it. */
  readonly status: 'ok' | 'warning' | 'missing' | 'absent'
  readonly detail: string
  /** A command line for a shell that mends it. */
  readonly mend?: string | undefined
}

/** Looks at everything that process isolation needs; what can be tried is tried. Changes nothing. */
export async function checkHost(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<readonly Check[]> {
  const [programs, cage, limits, disk] = await Promise.all([
    Promise.all(LAUNCH_PROGRAMS.map(checkProgram)),
    checkCage(),
    checkLimits(),
    checkDisk(stateHome(environment)),
  ])
  const systemd = checkSystemd(environment, limits)
  return [checkNode(), ...programs, checkSwitches(), checkSeccomp(), cage, limits, systemd, checkTerminal(), disk]
}

function checkNode(): Check {
  const major = Number(process.versions.node.split('.')[0])
  if (major >= 24) return ok('node', process.version)
  return {
    name: 'node',
    status: 'missing',
    detail: `${process.version}; 24 or newer is needed`,
    mend: 'npx node@24 --version',
  }
}

/** What the launcher uses of each program, as it stands in its help. */
const NEEDED_OPTIONS: Readonly<Partial<Record<LaunchProgram, readonly string[]>>> = {
  bwrap: ['--disable-userns', '--seccomp', '--size', '--perms'],
  nsenter: ['--preserve-credentials'],
  unshare: ['--map-current-user', '--keep-caps', '--mount-proc'],
  setpriv: ['--pdeathsig', '--ambient-caps'],
}

async function checkProgram(program: LaunchProgram): Promise<Check> {
  const mend = installCommand(packageManager(), (manager) => packageOf(program, manager))
  const path = findProgram(program)
  if (path === undefined) return { name: program, status: 'missing', detail: 'not installed', mend }
  const needed = NEEDED_OPTIONS[program] ?? []
  const help = needed.length === 0 ? '' : (await runProgram(path, ['--help'])).stdout
  const lacking = needed.filter((option) => !help.includes(option))
  if (lacking.length > 0)
    return { name: program, status: 'missing', detail: `${path} is too old: no ${lacking.join(', ')}`, mend }
  if (program === 'bwrap' && (statSync(path).mode & 0o4000) !== 0) {
    return {
      name: program,
      status: 'warning',
      detail: `${path} is set-user-ID root, which agentcage does not need`,
      mend: `sudo chmod u-s ${path}`,
    }
  }
  return ok(program, await versionText(program, path))
}

async function versionText(program: LaunchProgram, path: string): Promise<string> {
  if (program === 'sh') return path
  const { stdout } = await runProgram(path, [program === 'ip' ? '-V' : '--version'])
  return stdout.trim().split('\n')[0] ?? path
}

function checkSwitches(): Check {
  const name = 'user namespaces'
  const obstacle = namespaceObstacle()
  if (obstacle === undefined) return ok(name, 'not restricted by the kernel')
  // A profile may allow it all the same; whether it does, the cage shows.
  return { name, status: 'warning', detail: obstacle.reason, mend: obstacle.mend }
}

function checkSeccomp(): Check {
  if (machineArchitecture() === undefined) {
    return { name: 'seccomp', status: 'missing', detail: `no filter for ${process.arch}; x86_64 and aarch64 have one` }
  }
  const actions = readText('/proc/sys/kernel/seccomp/actions_avail') ?? ''
  if (actions.includes('kill_process')) return ok('seccomp', 'filters are available')
  return { name: 'seccomp', status: 'missing', detail: 'the kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)' }
}

/** Starts a cage with nothing in it but the system, read-only. */
async function checkCage(): Promise<Check> {
  try {
    const moat = await openMoat({ tcpPorts: [], proxy: { address: '198.18.0.1', port: 3128 } })
    try {
      return await tryWorkload(moat)
    } finally {
      moat.close()
    }
  } catch (error) {
    if (!(error instanceof CageError)) throw error
    return { name: 'cage', status: 'missing', detail: [error.message, error.hint].filter(Boolean).join('. ') }
  }
}

async function tryWorkload(moat: Awaited<ReturnType<typeof openMoat>>): Promise<Check> {
  const workload = await launchWorkload(
    {
      command: ['true'],
      workingDirectory: '/',
      environment: { PATH: '/usr/local/bin:/usr/bin:/bin:/run/current-system/sw/bin' },
      mounts: [
        { kind: 'bind', source: '/', target: '/', writable: false },
        { kind: 'proc', target: '/proc' },
        { kind: 'dev', target: '/dev' },
      ],
      limits: {},
    },
    moat,
    { stdio: ['ignore', 'ignore', 'ignore'] },
  )
  const { code } = await workload.exited
  if (code === 0) return ok('cage', 'namespaces, bubblewrap and the seccomp filter work together')
  return { name: 'cage', status: 'missing', detail: `a cage starts, but true ended with ${code} in it` }
}

async function checkLimits(): Promise<Check> {
  const limits = await applyLimits({ memory: 1_073_741_824, pids: 4096 })
  await limits.cleanup()
  if (limits.warnings.length === 0) return ok('limits', 'memory and processes can be limited')
  return { name: 'limits', status: 'warning', detail: limits.warnings.join('; ') }
}

function checkSystemd(environment: Readonly<Record<string, string | undefined>>, limits: Check): Check {
  const uid = process.geteuid?.() ?? 0
  const name = uid === 0 ? 'systemd' : 'systemd user session'
  const folder =
    uid === 0 ? '/run/systemd/system' : join(environment['XDG_RUNTIME_DIR'] ?? `/run/user/${uid}`, 'systemd')
  if (existsSync(folder)) return ok(name, 'running')
  if (limits.status === 'ok') return ok(name, 'not running, and not needed: the limits are held without it')
  const manages = existsSync('/run/systemd/system')
  return {
    name,
    status: 'warning',
    detail: 'not running; memory is limited only where control groups can be written',
    mend: manages ? `sudo loginctl enable-linger ${uid}` : undefined,
  }
}

/** The filter refuses TIOCSTI in any case; the switch protects the other programs of this host. */
function checkTerminal(): Check {
  if (readText('/proc/sys/dev/tty/legacy_tiocsti') !== '1')
    return ok('terminal', 'programs cannot type into it (TIOCSTI)')
  return {
    name: 'terminal',
    status: 'warning',
    detail: 'programs outside of cages can type into it (dev.tty.legacy_tiocsti=1); those inside cannot',
    mend: 'sudo sysctl -w dev.tty.legacy_tiocsti=0',
  }
}

const SCARCE_BYTES = 256 * 1024 * 1024

/** A full disk stops the audit log, and with it all traffic. */
async function checkDisk(folder: string): Promise<Check> {
  let existing = folder
  while (!existsSync(existing) && existing !== dirname(existing)) existing = dirname(existing)
  const { bavail, bsize } = await statfs(existing)
  const detail = `${Math.floor((bavail * bsize) / 1_048_576)} MiB free for ${folder}`
  if (bavail * bsize >= SCARCE_BYTES) return ok('disk', detail)
  return {
    name: 'disk',
    status: 'warning',
    detail: `${detail}; when the audit log cannot be written, requests are denied`,
  }
}

function ok(name: string, detail: string): Check {
  return { name, status: 'ok', detail }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}
