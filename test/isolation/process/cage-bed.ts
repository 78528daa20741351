import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { configSchema } from '../../../src/config/schema.ts'
import type { Mount, WorkloadPlan } from '../../../src/isolation/isolation.ts'
import { gatherHost, type HostFacts } from '../../../src/isolation/process/host.ts'
import type { WorkloadRequest } from '../../../src/isolation/process/plan.ts'
import { prepareWorkload, type PreparedWorkload } from '../../../src/isolation/process/prepare.ts'

const BASIC_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Why the tests that start real workloads cannot run here, or false. */
export const withoutBubblewrap: string | false =
  spawnSync('bwrap', ['--unshare-all', '--ro-bind', '/', '/', 'true']).status === 0
    ? false
    : 'bubblewrap is missing or may not make namespaces'

export const withoutGit: string | false = spawnSync('git', ['--version']).status === 0 ? false : 'git is missing'

type Changes = Partial<Omit<WorkloadRequest, 'config'>> & {
  readonly container?: Readonly<Record<string, unknown>>
  readonly environment?: Readonly<Record<string, string>>
  readonly ownFolders?: readonly string[]
  readonly workingDirectory?: string
}

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A person's home with a project in it, and real workloads that run in the project. */
export class CageBed implements Disposable {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'agentcage-bed-')))
  readonly home = join(this.folder, 'home')
  readonly project = join(this.home, 'project')
  #scratches = 0

  constructor() {
    mkdirSync(this.project, { recursive: true })
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Writes a file below the home; yields its path. */
  write(path: string, content: string, mode = 0o644): string {
    const file = join(this.home, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content, { mode })
    return file
  }

  host(changes: Changes = {}): HostFacts {
    return gatherHost({
      ownFolders: changes.ownFolders ?? [],
      environment: { PATH: BASIC_PATH, HOME: this.home, ...changes.environment },
      workingDirectory: changes.workingDirectory ?? this.project,
    })
  }

  request(command: readonly [string, ...string[]], changes: Changes = {}): WorkloadRequest {
    const {
      container = {},
      environment: _environment,
      ownFolders: _ownFolders,
      workingDirectory: _workingDirectory,
      ...rest
    } = changes
    const scratch = join(this.folder, `scratch-${this.#scratches++}`)
    mkdirSync(scratch, { mode: 0o700 })
    return {
      config: configSchema.parse({ container }),
      command,
      project: this.project,
      host: this.host(changes),
      trust: { mounts: [], environment: {} },
      proxy: 'http://198.18.0.1:3128',
      nameserver: '198.18.0.1',
      placeholders: {},
      scratch,
      ...rest,
    }
  }

  prepare(command: readonly [string, ...string[]], changes: Changes = {}): PreparedWorkload {
    return prepareWorkload(this.request(command, changes))
  }

  /** Runs a shell script in a cage to its end, all of it: what was placed in the project is removed again. */
  run(script: string, changes: Changes = {}): Outcome {
    return this.runCommand(['sh', '-c', script], changes)
  }

  runCommand(
    command: readonly [string, ...string[]],
    changes: Changes & { readonly shareNetwork?: boolean } = {},
  ): Outcome {
    const { shareNetwork = false, ...rest } = changes
    using prepared = this.prepare(command, rest)
    const { status, stdout, stderr } = spawnSync('bwrap', bubblewrapArguments(prepared.plan, { shareNetwork }), {
      encoding: 'utf8',
    })
    return { status, stdout, stderr }
  }

  /** Runs git on the host, outside of every cage. */
  git(...args: readonly string[]): string {
    const environment = { PATH: BASIC_PATH, HOME: this.home, GIT_CONFIG_NOSYSTEM: '1' }
    const { status, stdout, stderr } = spawnSync('git', args, { cwd: this.project, encoding: 'utf8', env: environment })
    if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`)
    return stdout
  }

  /** Makes the project a repository with one commit. */
  makeRepository(): void {
    this.write('.gitconfig', '[user]\n\tname = A Person\n\temail = person@example.org\n')
    this.git('init', '-q', '-b', 'main')
    this.write('project/readme', 'hello\n')
    this.git('add', 'readme')
    this.git('commit', '-q', '-m', 'first')
  }
}

/** The plainest rendering of a plan, without limits, seccomp or network. */
export function bubblewrapArguments(plan: WorkloadPlan, { shareNetwork = false } = {}): string[] {
  const names = ['user', 'pid', 'ipc', 'uts', ...(shareNetwork ? [] : ['net'])]
  const options = [
    ...names.map((name) => `--unshare-${name}`),
    ...Object.entries(plan.environment).flatMap(([name, value]) => ['--setenv', name, value]),
    ...plan.mounts.flatMap(mountArguments),
  ]
  const confined = ['--die-with-parent', '--new-session', '--cap-drop', 'ALL', '--clearenv', ...options]
  return [...confined, '--remount-ro', '/', '--chdir', plan.workingDirectory, '--', ...plan.command]
}

function mountArguments(mount: Mount): readonly string[] {
  switch (mount.kind) {
    case 'bind':
      return [mount.writable ? '--bind' : '--ro-bind', mount.source, mount.target]
    case 'tmpfs':
      return [
        ...(mount.sizeBytes === undefined ? [] : ['--size', `${mount.sizeBytes}`]),
        ...(mount.mode === undefined ? [] : ['--perms', mount.mode.toString(8).padStart(4, '0')]),
        '--tmpfs',
        mount.target,
      ]
    case 'directory':
      return ['--dir', mount.target]
    case 'symlink':
      return ['--symlink', mount.to, mount.target]
    case 'mask':
      return mount.over === 'file'
        ? ['--ro-bind', '/dev/null', mount.target]
        : ['--perms', '0000', '--tmpfs', mount.target, '--remount-ro', mount.target]
    case 'proc':
      return ['--proc', mount.target]
    case 'dev':
      return ['--dev', mount.target]
    case 'device':
      return ['--dev-bind', mount.source, mount.target]
  }
}
