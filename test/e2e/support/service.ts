import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { stringify } from 'yaml'
import { deploymentOf, saveDeployment, type Deployment } from '../../../src/cage/deployment.ts'
import { findCage } from '../../../src/cage/running-cage.ts'
import { isolationOf } from '../../../src/config/isolation.ts'
import { parseConfig } from '../../../src/config/load.ts'
import { PROGRAM } from '../../support/program.ts'
import { CageHost } from './cage.ts'
import { endOf } from './exit.ts'

/** A cage as a service, its supervisor started by hand: what systemd's unit runs, without systemd. */
export class CageService implements AsyncDisposable {
  readonly host: CageHost
  readonly deployment: Deployment
  readonly child: ChildProcess
  #stderr = ''

  private constructor(host: CageHost, deployment: Deployment, child: ChildProcess) {
    this.host = host
    this.deployment = deployment
    this.child = child
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
  }

  /** Resolves when it serves. Its name is `demo`, its project the host's. */
  static async start(config: Readonly<Record<string, unknown>>, host?: CageHost): Promise<CageService> {
    const own = host ?? (await CageHost.open())
    const text = stringify({ name: 'demo', ...config })
    const parsed = parseConfig(text, 'cage.yaml')
    const now = new Date().toISOString()
    const deployment = deploymentOf({
      name: 'demo',
      config: parsed,
      environment: own.env,
      record: {
        version: 1,
        isolation: isolationOf(parsed),
        created: now,
        updated: now,
        agentcage: '0.0.0',
        source: own.configPath,
        working_directory: own.project,
        project: own.project,
        environment: { PATH: own.env['PATH'] ?? '' },
        inspectors: {},
      },
    })
    await mkdir(own.home, { recursive: true })
    await saveDeployment(deployment, text)
    const service = new CageService(own, deployment, supervise(own))
    await service.#serving()
    return service
  }

  get stderr(): string {
    return this.#stderr
  }

  /** Waits until it has said something on standard error. */
  async says(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.#stderr)) await once(this.child.stderr as Readable, 'data')
  }

  /** Ends it as systemd would, with a kill in the end; yields its exit code. */
  async stop(): Promise<number | null> {
    this.child.kill('SIGTERM')
    return (await endOf(this.child))[0]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.stop()
    await this.host[Symbol.asyncDispose]()
  }

  async #serving(): Promise<void> {
    while ((await findCage(this.deployment.stateFolder)) === undefined) {
      if (this.child.exitCode !== null) throw new Error(`the supervisor ended:\n${this.#stderr}`)
      await setTimeout(20)
    }
  }
}

function supervise(host: CageHost): ChildProcess {
  return spawn(process.execPath, [PROGRAM, 'cage', 'supervise', 'demo'], {
    cwd: host.project,
    env: host.env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}
