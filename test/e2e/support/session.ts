import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { endOf } from './exit.ts'

/** How a command in the cage ended. */
export interface InsideResult {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface InsideOptions {
  /** Changes to the cage's environment; null removes. */
  readonly env?: Readonly<Record<string, string | null>>
  readonly input?: string
  readonly cwd?: string
}

/** Variables that make clients ask the proxy. Without them they are captured on their way. */
const PROXY_VARIABLES = [
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'NODE_USE_ENV_PROXY',
]

/** For `env`: a client that knows of no proxy. */
export const WITHOUT_PROXY: Readonly<Record<string, null>> = Object.fromEntries(
  PROXY_VARIABLES.map((name) => [name, null]),
)

/**
 * Runs what it is asked for, one JSON line after another: the workload of a cage that a whole file of tests shares,
 * since starting a cage for each attempt would take most of the time.
 */
const DRIVER = `
const { spawn } = require('node:child_process')
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, argv, env, input, cwd } = JSON.parse(line)
  const merged = { ...process.env }
  for (const [name, value] of Object.entries(env)) value === null ? delete merged[name] : (merged[name] = value)
  const child = spawn(argv[0], argv.slice(1), { env: merged, cwd, stdio: ['pipe', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => { output[name] += text })
  child.stdin.on('error', () => {}).end(input)
  const answer = (result) => process.stdout.write(JSON.stringify({ id, ...result, ...output }) + '\\n')
  child.on('error', (error) => answer({ code: null, signal: null, problem: error.message }))
  child.on('close', (code, signal) => child.pid && answer({ code, signal }))
})
console.log('{"id": 0}')
`

/**
 * The same, one command after the other, in Python: an emulated machine takes seconds to start Node. A command that does
 * not exist ends with 127.
 */
const LIGHT_DRIVER = `
import json, os, subprocess, sys
print('{"id": 0}', flush=True)
for line in sys.stdin:
    order = json.loads(line)
    merged = {**os.environ, **order['env']}
    environment = {name: value for name, value in merged.items() if value is not None}
    try:
        done = subprocess.run(order['argv'], env=environment, cwd=order.get('cwd'), input=order['input'].encode(), capture_output=True)
        code, out, err = done.returncode, done.stdout, done.stderr
    except FileNotFoundError as error:
        code, out, err = 127, b'', str(error).encode()
    output = {'stdout': out.decode(errors='replace'), 'stderr': err.decode(errors='replace')}
    signal = None if code >= 0 else 'SIG%d' % -code
    print(json.dumps({'id': order['id'], 'code': code if code >= 0 else None, 'signal': signal, **output}), flush=True)
`

/** What runs the commands of a session, in the cage. */
export type Driver = 'node' | 'python'

const DRIVERS: Readonly<Record<Driver, readonly string[]>> = {
  node: ['node', '-e', DRIVER],
  python: ['python3', '-c', LIGHT_DRIVER],
}

type Answer = InsideResult & { readonly id: number; readonly problem?: string }

export class CageSession {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #last = 0
  #stderr = ''
  #ended: string | undefined

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async open(
    start: (command: readonly string[]) => ChildProcess,
    driver: Driver = 'node',
  ): Promise<CageSession> {
    const session = new CageSession(start(DRIVERS[driver]))
    await session.#begin()
    return session
  }

  /** Of the supervisor, on the host. */
  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** What the supervisor and the driver wrote to standard error. */
  get stderr(): string {
    return this.#stderr
  }

  /** Runs a command in the cage, without a terminal, to its end. */
  async run(argv: readonly string[], { env = {}, input = '', cwd }: InsideOptions = {}): Promise<InsideResult> {
    const id = ++this.#last
    const answer = this.#answer(id)
    this.#stdin.write(`${JSON.stringify({ id, argv, env, input, cwd })}\n`)
    return answer
  }

  sh(script: string, options?: InsideOptions): Promise<InsideResult> {
    return this.run(['sh', '-c', script], options)
  }

  python(program: string, options?: InsideOptions): Promise<InsideResult> {
    return this.run(['python3', '-c', program], options)
  }

  node(program: string, options?: InsideOptions): Promise<InsideResult> {
    return this.run(['node', '--input-type=module', '-e', program], options)
  }

  /** Ends the workload, which must end the cage with 0. One that does not end is killed. */
  async close(): Promise<void> {
    this.#stdin.end()
    assert.deepEqual(await endOf(this.#child), [0, null], this.#stderr)
  }

  get #stdin(): Writable {
    return this.#child.stdin as Writable
  }

  async #begin(): Promise<void> {
    const { stdout, stderr } = this.#child as { stdout: Readable; stderr: Readable }
    stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    createInterface({ input: stdout }).on('line', (line) => this.#settle(JSON.parse(line) as Answer))
    // 'close', unlike 'exit', comes after all that was said.
    this.#child.once('close', (code, signal) => {
      this.#ended = `the cage ended with ${signal ?? code}:\n${this.#stderr}`
      for (const id of this.#waiting.keys()) this.#settle({ id, ...NOTHING, problem: this.#ended })
    })
    await this.#answer(0)
  }

  async #answer(id: number): Promise<InsideResult> {
    if (this.#ended !== undefined) throw new Error(this.#ended)
    const answer = await new Promise<Answer>((resolve) => this.#waiting.set(id, resolve))
    if (answer.problem !== undefined) throw new Error(answer.problem)
    return answer
  }

  #settle(answer: Answer): void {
    this.#waiting.get(answer.id)?.(answer)
    this.#waiting.delete(answer.id)
  }
}

const NOTHING = { code: null, signal: null, stdout: '', stderr: '' }
