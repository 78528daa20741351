/**
 * Requests per second and latency through the egress, beside nginx and mitmproxy, in one run on one machine:
 *   node bench/run.ts [--seconds 5] [--rounds 3] [--connect] [--source] [--no-write]
 *   `--connect` adds forward proxies; `--source` measures the checkout as it is, not what would be published.
 * Rounds interleave (A B C A B C), so that what else the machine does hits all alike. What counts are the ratios.
 */
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { findTool } from '../test/support/requires.ts'
import { buildProgram } from '../test/support/build-program.ts'
import { SOURCE_PROGRAM, startEgress } from './lab/egress.ts'
import { HOST, Lab } from './lab/lab.ts'
import { startMitmproxy } from './lab/mitmproxy.ts'
import { startPeer, startUpstream } from './lab/nginx.ts'
import { median, writeResults } from './lab/results.ts'
import { measureLoad, type Load } from './lab/wrk.ts'

type Rounds = ReadonlyMap<string, readonly Load[]>

interface Contender {
  readonly name: string
  readonly port: number
}

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    connect: { type: 'boolean', default: false },
    source: { type: 'boolean', default: false },
    'no-write': { type: 'boolean', default: false },
  },
})

const missing = ['wrk', 'nginx', 'taskset'].filter((tool) => findTool(tool) === undefined)
if (missing.length > 0) {
  console.error(`missing: ${missing.join(', ')} (apt install wrk nginx-light util-linux)`)
  process.exit(1)
}

await using lab = await Lab.open()
const contenders = await startContenders(lab)
await report(await measure(contenders))

async function startContenders(within: Lab): Promise<readonly Contender[]> {
  const upstream = await startUpstream(within)
  const egress = await startEgress(
    within,
    flags.source ? SOURCE_PROGRAM : await buildProgram(join(within.folder, 'program')),
    upstream,
  )
  const list = [
    { name: 'direct', port: upstream },
    { name: 'nginx', port: await startPeer(within, upstream) },
    { name: 'agentcage', port: egress.transparentPort },
  ]
  const withMitmproxy = findTool('mitmdump') !== undefined
  if (!withMitmproxy) console.error('without mitmproxy: not installed (apt install mitmproxy)')
  if (withMitmproxy) list.push({ name: 'mitmproxy', port: await startMitmproxy(within, 'reverse', upstream) })
  if (flags.connect) {
    list.push({ name: 'agentcage, CONNECT', port: await shim(within, egress.proxyPort, `${HOST}:443`) })
    if (withMitmproxy) {
      const proxy = await startMitmproxy(within, 'regular', upstream)
      list.push({ name: 'mitmproxy, CONNECT', port: await shim(within, proxy, `${HOST}:${upstream}`) })
    }
  }
  return list
}

async function shim(within: Lab, proxyPort: number, authority: string): Promise<number> {
  const path = join(import.meta.dirname, 'lab/connect-shim.ts')
  const child = within.start('around', [process.execPath, path, String(proxyPort), authority], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (child.stdout === null) throw new TypeError('standard output is a pipe')
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return Number(line)
}

/** All rounds of each contender; a first round of a second each warms up and is thrown away. */
async function measure(list: readonly Contender[]): Promise<Rounds> {
  const rounds = new Map(list.map(({ name }) => [name, [] as Load[]]))
  for (const { port } of list) await measureLoad(lab, port, 1)
  for (let round = 1; round <= Number(flags.rounds); round++) {
    for (const { name, port } of list) {
      const load = await measureLoad(lab, port, Number(flags.seconds))
      rounds.get(name)?.push(load)
      console.error(`round ${round}  ${name.padEnd(20)} ${load.requestsPerSecond.toFixed(0).padStart(8)} requests/s`)
    }
  }
  return rounds
}

async function report(rounds: Rounds): Promise<void> {
  const results = new Map([...rounds].map(([name, loads]) => [name, medianLoad(loads)]))
  console.log('\n| in between | requests/s | p50 | p99 |\n| --- | ---: | ---: | ---: |')
  for (const [name, { requestsPerSecond, p50Milliseconds, p99Milliseconds }] of results) {
    const [p50, p99] = [p50Milliseconds.toFixed(2), p99Milliseconds.toFixed(2)]
    console.log(`| ${name} | ${requestsPerSecond.toFixed(0)} | ${p50} ms | ${p99} ms |`)
  }
  const others = [...rounds.keys()].filter((name) => name !== 'agentcage')
  const ratios = Object.fromEntries(others.map((name) => [name, ratio(rounds, name)]))
  console.log(`\nrequests/s of agentcage as a multiple of: ${JSON.stringify(ratios).replaceAll('"', '').slice(1, -1)}`)
  if (!flags['no-write']) {
    const { seconds, source } = flags
    await writeResults('latest', { seconds, source, rounds: Object.fromEntries(rounds), ratios })
  }
}

function medianLoad(loads: readonly Load[]): Load {
  return {
    requestsPerSecond: median(loads.map((load) => load.requestsPerSecond)),
    p50Milliseconds: median(loads.map((load) => load.p50Milliseconds)),
    p99Milliseconds: median(loads.map((load) => load.p99Milliseconds)),
  }
}

/** Each round against its neighbour in time, then the median: the machine may change its mind between rounds. */
function ratio(rounds: Rounds, other: string): number {
  const ours = rounds.get('agentcage') ?? []
  const theirs = rounds.get(other) ?? []
  const each = ours.map((load, round) => load.requestsPerSecond / (theirs[round]?.requestsPerSecond ?? Number.NaN))
  return Number(median(each).toPrecision(3))
}
