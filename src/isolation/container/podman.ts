import { spawn } from 'node:child_process'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CageError } from '../../errors.ts'
import { findProgram } from '../../system/process.ts'
import { boundedText, runProgram, type ProgramOptions, type ProgramResult } from '../../system/spawn.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Podman of this user. How a command went is in its result. */
export interface Podman {
  readonly program: string
  /** For programs that start it. */
  readonly environment: Readonly<Record<string, string>>
  /** An aborted `signal` kills it. */
  run(args: readonly string[], options?: Omit<ProgramOptions, 'environment'>): Promise<ProgramResult>
  /** Runs a command whose standard input is `chunks`. */
  feed(
    args: readonly string[],
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<{ readonly code: number | undefined; readonly stderr: string }>
  /** Asked for once. */
  info(): Promise<PodmanInfo>
  has(kind: 'image' | 'network' | 'volume' | 'container' | 'secret', name: string): Promise<boolean>
}

/** What Podman says of itself and of the host. Texts are empty where it does not say. */
export interface PodmanInfo {
  readonly version: string
  readonly rootless: boolean
  /** `v1`, `v2`. */
  readonly cgroups: string
  /** The file of the system calls that containers may make. */
  readonly seccompProfile: string
}

/** Milliseconds; the storage of a user with many images is slow to open. */
const PATIENCE = 60_000

/** Finds Podman. Throws `host_unsupported` with what installs it. */
export function findPodman(environment: Environment): Podman {
  const program = findProgram('podman')
  if (program === undefined)
    throw new CageError('host_unsupported', 'isolation: container needs Podman, which is not installed', {
      hint: 'Install it (Debian, Ubuntu: sudo apt-get install podman), or write isolation: process.',
    })
  const own = Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
  const run: Podman['run'] = (args, { timeout = PATIENCE, ...options } = {}) =>
    runProgram(program, args, { ...options, environment: own, timeout })
  let info: Promise<PodmanInfo> | undefined
  return {
    program,
    environment: own,
    run,
    info: () => (info ??= readInfo(run)),
    feed: (args, chunks) => feed(program, { args, chunks, environment: own }),
    has: async (kind, name) => (await run([kind, 'exists', name])).code === 0,
  }
}

/** The first whose quadlets know `Notify=healthy`: with an older one the workload would start before its egress serves. */
const OLDEST = [5, 0]

/** Throws `host_unsupported` unless Podman is new enough and works for this user without privileges. */
export async function requirePodman(podman: Podman): Promise<void> {
  const { version, rootless, cgroups } = await podman.info()
  if (!isNewEnough(version))
    throw new CageError(
      'host_unsupported',
      `Podman ${version} is too old: ${OLDEST.join('.')} is the first whose services wait until a container is healthy`,
      {
        hint: 'Debian 13, Fedora 40 and Ubuntu 25.04 have one that is; or write isolation: process.',
      },
    )
  if (!rootless)
    throw new CageError('host_unsupported', 'cages in containers belong to a user without privileges, not to root', {
      hint: 'Run agentcage as an ordinary user.',
    })
  if (cgroups !== 'v2')
    throw new CageError('host_unsupported', 'systemd and Podman need control groups of version 2', {
      hint: 'Start the kernel with systemd.unified_cgroup_hierarchy=1.',
    })
}

async function readInfo(run: Podman['run']): Promise<PodmanInfo> {
  const { code, stdout, stderr } = await run(['info', '--format', FACTS])
  if (code !== 0)
    throw new CageError('host_unsupported', `podman does not work here: ${lastLine(stderr)}`, {
      hint: 'podman info shows the same; containers of a user need entries in /etc/subuid and /etc/subgid.',
    })
  const [version = '', rootless, cgroups = '', ...path] = stdout.trim().split(' ')
  return { version, rootless: rootless === 'true', cgroups, seccompProfile: path.join(' ') }
}

/** Separated by spaces; a path may hold some. */
const FACTS = [
  '{{.Version.Version}} {{.Host.Security.Rootless}} {{.Host.CgroupsVersion}}',
  '{{.Host.Security.SECCOMPProfilePath}}',
].join(' ')

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
}

export function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}

async function feed(
  program: string,
  {
    args,
    chunks,
    environment,
  }: {
    readonly args: readonly string[]
    readonly chunks: AsyncIterable<Uint8Array>
    readonly environment: Readonly<Record<string, string>>
  },
): Promise<{ readonly code: number | undefined; readonly stderr: string }> {
  const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'pipe'], env: environment })
  const stderr = boundedText(child.stderr)
  const ended = new Promise<number | undefined>((resolve) => {
    child.once('error', () => resolve(undefined))
    child.once('close', (code) => resolve(code ?? undefined))
  })
  try {
    await pipeline(Readable.from(chunks), child.stdin)
  } catch (error) {
    // It ended without reading all: what it says is the reason. Anything else is ours.
    if (
      !(
        error instanceof Error &&
        'code' in error &&
        (error.code === 'EPIPE' || error.code === 'ERR_STREAM_PREMATURE_CLOSE')
      )
    ) {
      child.kill('SIGKILL')
      await ended
      throw error
    }
  }
  return { code: await ended, stderr: stderr() }
}
