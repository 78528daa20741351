import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { stringify } from 'yaml'
import { HOST, type Lab } from './lab.ts'

export interface RunningEgress {
  readonly child: ChildProcess
  /** Ports on loopback: connections to the first were meant for 443 of `HOST`, the second is the explicit proxy. */
  readonly transparentPort: number
  readonly proxyPort: number
}

/** The program as it stands in the checkout. */
export const SOURCE_PROGRAM = join(import.meta.dirname, '../../bin/agentcage.ts')

/** `agentcage egress` with everything on that it has: policy, a secret to inject and redact, the audit log. */
export async function startEgress(lab: Lab, program: string, upstreamPort: number): Promise<RunningEgress> {
  const folder = join(lab.folder, 'egress')
  await mkdir(folder)
  const configFile = join(folder, 'cage.yaml')
  await writeFile(configFile, stringify(configuration(lab, upstreamPort)))
  const child = lab.start(
    'measured',
    [
      process.execPath,
      program,
      'egress',
      '-c',
      configFile,
      '--state',
      join(folder, 'state'),
      '--proxy',
      '127.0.0.1:0',
      '--transparent',
      '127.0.0.1:0=443',
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'], HOME: folder, BENCH_KEY: 'real-value-of-the-secret-0123456789' },
    },
  )
  const ready = await readyLine(child)
  return { child, transparentPort: portOf(ready.transparent[0]), proxyPort: portOf(ready.proxy) }
}

function configuration(lab: Lab, upstreamPort: number): object {
  return {
    name: 'bench',
    domains: { mode: 'allowlist', list: [HOST] },
    // The limit is not what is measured; its bucket is passed through all the same.
    rate_limit: { requests_per_second: 10_000_000, burst: 10_000_000 },
    secret_injection: [{ env: 'BENCH_KEY', inject_to: [HOST] }],
    upstream: { ca_file: lab.authorityFile, connect_to: { [`${HOST}:443`]: `127.0.0.1:${upstreamPort}` } },
  }
}

interface Ready {
  readonly proxy: string
  readonly transparent: readonly string[]
}

async function readyLine(child: ChildProcess): Promise<Ready> {
  if (child.stdout === null) throw new TypeError('standard output is a pipe')
  const lines = createInterface({ input: child.stdout })
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the egress ended with ${code} before it served`)
  })
  const [line] = (await Promise.race([once(lines, 'line'), ended])) as [string]
  ended.catch(() => {})
  return JSON.parse(line) as Ready
}

function portOf(address: string | undefined): number {
  return Number(address?.slice(address.lastIndexOf(':') + 1))
}
