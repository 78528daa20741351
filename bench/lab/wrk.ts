import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { availableParallelism } from 'node:os'
import { promisify } from 'node:util'
import { HOST, type Lab } from './lab.ts'

export interface Load {
  readonly requestsPerSecond: number
  readonly p50Milliseconds: number
  readonly p99Milliseconds: number
}

const CONNECTIONS = 16

/** Keep-alive TLS to a port of loopback, 16 connections, one thread. An answer that is not 200 is an error. */
export async function measureLoad(lab: Lab, port: number, seconds: number): Promise<Load> {
  const script = join(lab.folder, 'wrk.lua')
  await writeFile(script, SCRIPT)
  const wrk = ['wrk', '-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '-s', script, `https://${HOST}:${port}/v1/messages`]
  const [program = '', ...args] = availableParallelism() > 1 ? ['taskset', '--cpu-list', around(), ...wrk] : wrk
  const { stdout } = await promisify(execFile)(program, args)
  const result = JSON.parse(stdout.slice(stdout.lastIndexOf('\n{') + 1)) as Result
  if (result.errors > 0 || result.requests === 0) {
    throw new Error(`${result.errors} of ${result.requests} requests to port ${port} failed`)
  }
  return {
    requestsPerSecond: (result.requests / result.microseconds) * 1e6,
    p50Milliseconds: result.p50 / 1000,
    p99Milliseconds: result.p99 / 1000,
  }
}

interface Result {
  readonly requests: number
  readonly microseconds: number
  readonly errors: number
  /** Microseconds. */
  readonly p50: number
  readonly p99: number
}

/** The Host that the certificate and the policy know, without the port that the load really goes to. */
const SCRIPT = `
wrk.headers["Host"] = "${HOST}"
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\\n{"requests": %d, "microseconds": %d, "errors": %d, "p50": %d, "p99": %d}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
`

function around(): string {
  return `0-${availableParallelism() - 2}`
}
