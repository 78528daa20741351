import { spawn, spawnSync, type ChildProcess, type StdioOptions } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import type { AuditRecord } from '../../../src/audit/record.ts'
import { run, type CommandResult } from '../../support/command.ts'
import { findTool, missingOnThisMachine, missingTools } from '../../support/requires.ts'
import { makeFolder } from '../../support/temporary.ts'
import { until } from '../../support/until.ts'
import { CageSession, type Driver } from './session.ts'
import { COMPILED, PROGRAM } from '../../support/program.ts'

/** Why no cage can be started here, or false. */
export const withoutCages: string | false =
  missingTools('bwrap', 'ip', 'nsenter', 'unshare', 'setpriv') ||
  (spawnSync(findTool('unshare') ?? '', ['--user', '--net', 'true']).status === 0
    ? false
    : missingOnThisMachine('user namespaces'))

/** Why there are no cages here, or none of these programs to run in them, or false. */
export function withoutCagesOr(...programs: readonly string[]): string | false {
  return withoutCages || missingTools(...programs)
}

/** Debian's folders of programs, after that of the Node that runs the test: a project's own tools come from PATH too. */
const PATH = [dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'].join(':')

type ConfigObject = Readonly<Record<string, unknown>>

export interface HostOptions {
  /** An object, or YAML as it stands. Absent: nothing is reachable. */
  readonly config?: string | ConfigObject
  /** Beside PATH and HOME, on the host. */
  readonly env?: Readonly<Record<string, string>>
  /** Kills what runs here when aborted, as that of a test that took too long. */
  readonly signal?: AbortSignal
}

export interface RunOptions {
  /** Beside those of the host. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly input?: string
  readonly cwd?: string
}

/**
 * A person's host: a home with a project in it, a configuration outside of it, and agentcage's state. What runs here
 * runs `agentcage run`, as its own process. `await using` kills what still runs, with its cages, and removes all of it.
 */
export class CageHost {
  readonly folder: string
  readonly home: string
  readonly project: string
  readonly configPath: string
  readonly env: Readonly<Record<string, string>>
  readonly #ending = new AbortController()

  private constructor(folder: string, env: Readonly<Record<string, string>>) {
    this.folder = folder
    this.home = join(folder, 'home')
    this.project = join(this.home, 'project')
    this.configPath = join(folder, 'cage.yaml')
    this.env = { PATH, HOME: this.home, ...COMPILED, ...env }
  }

  static async open({ config = {}, env = {}, signal }: HostOptions = {}): Promise<CageHost> {
    const host = new CageHost(await makeFolder(), env)
    signal?.addEventListener('abort', () => host.#ending.abort(), { once: true })
    await mkdir(host.project, { recursive: true })
    await host.configure(config)
    return host
  }

  /** Where all of agentcage's state lies. */
  get state(): string {
    return join(this.env['XDG_STATE_HOME'] ?? join(this.home, '.local/state'), 'agentcage')
  }

  get auditPath(): string {
    return this.auditOf('project')
  }

  auditOf(cage: string): string {
    return join(this.state, 'cages', cage, 'audit.jsonl')
  }

  async configure(config: string | ConfigObject): Promise<void> {
    await writeFile(this.configPath, typeof config === 'string' ? config : stringify(config))
  }

  /** Writes a file of the project; yields its path. */
  async write(name: string, content: string | Uint8Array, mode = 0o644): Promise<string> {
    const path = join(this.project, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content, { mode })
    return path
  }

  /** All audit records so far, oldest first. */
  async audit(cage = 'project'): Promise<AuditRecord[]> {
    const text = await readFile(this.auditOf(cage), 'utf8')
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as AuditRecord)
  }

  /** The first record that fits, as soon as it is written; for what is recorded after the workload saw its end. */
  record(fits: (record: AuditRecord) => boolean): Promise<AuditRecord> {
    return until(this.auditPath, async () => (await this.audit()).find(fits))
  }

  /** `agentcage run -c CONFIG -- PROGRAM…` in the project, to its end. */
  run(command: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
    return this.agentcage(['run', '-c', this.configPath, '--', ...command], options)
  }

  /** `agentcage ARGS…`, to its end. */
  agentcage(args: readonly string[], { env = {}, input, cwd = this.project }: RunOptions = {}): Promise<CommandResult> {
    return run(process.execPath, [PROGRAM, ...args], {
      cwd,
      env: { ...this.env, ...env },
      signal: this.#ending.signal,
      ...(input !== undefined && { input }),
    })
  }

  /** Starts `agentcage run ARGS… -- PROGRAM…` and returns its process; the caller ends it. */
  spawn(command: readonly string[], stdio: StdioOptions, args = ['-c', this.configPath]): ChildProcess {
    return this.start(process.execPath, [PROGRAM, 'run', ...args, '--', ...command], stdio)
  }

  /** Starts any program in the project, with this host's environment. */
  start(program: string, args: readonly string[], stdio: StdioOptions): ChildProcess {
    const child = spawn(program, args, {
      cwd: this.project,
      env: this.env,
      stdio,
      signal: this.#ending.signal,
      killSignal: 'SIGKILL',
    })
    return child.on('error', () => undefined) // Who waits for its end is told.
  }

  /** A cage that stays, to run any number of commands in. */
  session(args?: string[], driver?: Driver): Promise<CageSession> {
    return CageSession.open((command) => this.spawn(command, ['pipe', 'pipe', 'pipe'], args), driver)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort()
    await rm(this.folder, { recursive: true, force: true })
  }
}
