/**
 * Resident memory of `agentcage egress`: idle, and the most while a response streams through it that is far larger.
 *   node bench/memory.ts [--megabytes 1024] [--source] [--no-write]
 * The response passes the redactor. Memory that grew with the response would show between the small one and the large one.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { buildProgram } from '../test/support/build-program.ts'
import { SOURCE_PROGRAM, startEgress, type RunningEgress } from './lab/egress.ts'
import { HOST, Lab } from './lab/lab.ts'
import { writeResults } from './lab/results.ts'

const SMALL_MEGABYTES = 16

const { values: flags } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '1024' },
    source: { type: 'boolean', default: false },
    'no-write': { type: 'boolean', default: false },
  },
})

await using lab = await Lab.open()
const upstream = await startStream(lab)
const egress = await startEgress(
  lab,
  flags.source ? SOURCE_PROGRAM : await buildProgram(join(lab.folder, 'program')),
  upstream,
)
const pid = egress.child.pid ?? 0

// Idle is after the start has settled: nothing to wait for, so a moment.
await sleep(2000)
const idle = await residentMemory(pid, 'VmRSS')
const small = await peakDuring(SMALL_MEGABYTES)
const large = await peakDuring(Number(flags.megabytes))

console.log('| egress | resident memory |\n| --- | ---: |')
console.log(`| idle | ${idle.toFixed(0)} MB |`)
console.log(`| at most, ${SMALL_MEGABYTES} MiB streaming | ${small.peak.toFixed(0)} MB |`)
console.log(`| at most, ${flags.megabytes} MiB streaming | ${large.peak.toFixed(0)} MB |`)
console.log(`\n${large.megabytesPerSecond.toFixed(0)} MiB/s through the redactor`)
if (!flags['no-write']) await writeResults('memory', { idle, small, large, megabytes: Number(flags.megabytes) })

interface Stream {
  /** Megabytes (10^6) at most while it ran. */
  readonly peak: number
  readonly megabytesPerSecond: number
}

async function peakDuring(megabytes: number): Promise<Stream> {
  // "5" makes the kernel forget the peak so far.
  await writeFile(`/proc/${pid}/clear_refs`, '5')
  const start = performance.now()
  const received = await download(egress, megabytes)
  const seconds = (performance.now() - start) / 1000
  if (received !== megabytes * 2 ** 20) throw new Error(`${received} bytes of ${megabytes} MiB arrived`)
  return { peak: await residentMemory(pid, 'VmHWM'), megabytesPerSecond: megabytes / seconds }
}

async function download({ transparentPort }: RunningEgress, megabytes: number): Promise<number> {
  const request = https.get({
    host: '127.0.0.1',
    port: transparentPort,
    servername: HOST,
    path: `/?megabytes=${megabytes}`,
    headers: { Host: HOST },
    // The cage's certificate is not what is measured, and nothing but loopback is reached.
    rejectUnauthorized: false,
    agent: false,
  })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  if (response.statusCode !== 200) throw new Error(`the egress answered ${response.statusCode}`)
  let received = 0
  for await (const chunk of response) received += (chunk as Buffer).length
  return received
}

/** MB (10^6), from what the kernel says in kB (2^10). */
async function residentMemory(process: number, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${process}/status`, 'utf8')
  const kibibytes = new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1]
  return (Number(kibibytes) * 1024) / 1e6
}

/** The upstream as a process of its own, so that its work is not the client's. */
async function startStream(within: Lab): Promise<number> {
  const path = join(import.meta.dirname, 'lab/stream.ts')
  const child = within.own(fork(path, [within.certificateFile, within.keyFile]))
  const [port] = (await once(child, 'message')) as [number]
  return port
}
