import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { stringify } from 'yaml'
import type { AuditRecord } from '../../src/audit/record.ts'
import { makeFolder } from './temporary.ts'
import { until } from './until.ts'
import { COMPILED, PROGRAM } from './program.ts'

export interface EgressOptions {
  /** Beside `-c`, `--state` and `--proxy 127.0.0.1:0`. */
  readonly args?: readonly string[]
  /** Values of secrets, say. Nothing but PATH is inherited. */
  readonly env?: Readonly<Record<string, string>>
}

/** The line that `agentcage egress` prints when it serves. */
interface Ready {
  readonly ready: true
  readonly proxy: string
  readonly transparent: readonly string[]
  readonly dns?: string
  readonly published?: readonly string[]
  readonly ca_certificate: string
  readonly audit: string
}

/**
 * Starts `agentcage egress` with a configuration (an object, or YAML as it stands) and waits until it serves. Its
 * state lies in a folder of its own. Ended with the test, at the latest.
 */
export async function startEgress(
  t: Pick<TestContext, 'after'>,
  config: string | Readonly<Record<string, unknown>>,
  options: EgressOptions = {},
): Promise<EgressProcess> {
  const folder = await makeFolder()
  const configPath = join(folder, 'cage.yaml')
  await writeFile(configPath, typeof config === 'string' ? config : stringify(config))
  const child = spawn(
    process.execPath,
    [
      PROGRAM,
      'egress',
      '-c',
      configPath,
      '--state',
      join(folder, 'state'),
      '--proxy',
      '127.0.0.1:0',
      ...(options.args ?? []),
    ],
    {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder, ...COMPILED, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  t.after(async () => {
    await end(child, 'SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })
  const stderr = collect(child)
  const ready = await readReady(child, stderr)
  return new EgressProcess(child, { ready, configPath, stderr, ca: await readFile(ready.ca_certificate, 'utf8') })
}

export class EgressProcess {
  /** `127.0.0.1:PORT` */
  readonly proxy: string
  /** One for each `--transparent`, in their order. */
  readonly transparent: readonly string[]
  /** '' without `--dns`. */
  readonly dns: string
  readonly published: readonly string[]
  /** The cage's certificate, PEM, and where it lies. */
  readonly ca: string
  readonly caPath: string
  readonly auditPath: string
  readonly configPath: string
  readonly pid: number
  readonly #child: ChildProcess
  readonly #stderr: () => string

  constructor(
    child: ChildProcess,
    {
      ready,
      configPath,
      stderr,
      ca,
    }: { readonly ready: Ready; readonly configPath: string; readonly stderr: () => string; readonly ca: string },
  ) {
    this.proxy = ready.proxy
    this.transparent = ready.transparent
    this.dns = ready.dns ?? ''
    this.published = ready.published ?? []
    this.ca = ca
    this.caPath = ready.ca_certificate
    this.auditPath = ready.audit
    this.configPath = configPath
    this.pid = child.pid ?? 0
    this.#child = child
    this.#stderr = stderr
  }

  /** What it has written to standard error so far. */
  get stderr(): string {
    return this.#stderr()
  }

  /** All records so far, oldest first. */
  async audit(): Promise<AuditRecord[]> {
    const text = await readFile(this.auditPath, 'utf8')
    // A line without its end is being written.
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as AuditRecord)
  }

  /** The first record that fits, as soon as it is written; for what has no response to wait for. */
  async record(fits: (record: AuditRecord) => boolean): Promise<AuditRecord> {
    return until(this.auditPath, async () => (await this.audit()).find(fits))
  }

  /** Waits until standard error holds something. */
  async says(pattern: RegExp): Promise<void> {
    const output = this.#child.stderr
    while (!pattern.test(this.stderr)) {
      if (output === null || output.readableEnded) throw new Error(`it never said ${pattern}:\n${this.stderr}`)
      await Promise.race([once(output, 'data'), once(output, 'end')])
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Ends it with SIGTERM, which must lead to exit 0. */
  async stop(): Promise<void> {
    await end(this.#child, 'SIGTERM')
    assert.deepEqual([this.#child.exitCode, this.#child.signalCode], [0, null], this.stderr)
  }
}

async function readReady(child: ChildProcess, stderr: () => string): Promise<Ready> {
  if (child.stdout === null) throw new TypeError('standard output is a pipe')
  const lines = createInterface({ input: child.stdout })
  const line = once(lines, 'line')
  const exit = once(child, 'close').then(([code]) => {
    throw new Error(`the egress ended with ${code} before it served:\n${stderr()}`)
  })
  const [text] = (await Promise.race([line, exit])) as [string]
  // Later output is nobody's business, but must not fill the pipe.
  lines.resume()
  exit.catch(() => {})
  return JSON.parse(text) as Ready
}

function collect(child: ChildProcess): () => string {
  let text = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  return () => text
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}
