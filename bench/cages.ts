/**
 * What cages of containers cost, in the lab of `e2e/`: making and starting one, changing where it may go, memory while it is
 * idle, and many on one machine. Needs root and mmdebstrap, as the lab does.
 *   node bench/cages.ts [--times 5] [--cages 20] [--no-write]
 */
import { parseArgs } from 'node:util'
import { startLabs, stopLabs } from '../e2e/lab/setup.ts'
import { asRoot, asUser, NODE } from '../e2e/lab/lab.ts'
import type { Memory } from './lab/cage-memory.ts'
import type { Times } from './lab/cage-times.ts'
import { median, quantile, writeResults } from './lab/results.ts'

const { values: flags } = parseArgs({
  options: {
    times: { type: 'string', default: '5' },
    cages: { type: 'string', default: '20' },
    'no-write': { type: 'boolean', default: false },
  },
})

const NAMES: Readonly<Record<Exclude<keyof Times, 'first'>, string>> = {
  node: '`node -e 0`, for the speed of the machine',
  create: 'cage create',
  start: 'systemctl start to the first answer that the agent got',
  startByCommand: 'cage start to the first answer that the agent got',
  domainAdd: 'domain add, until it has ended',
  effect: 'domain add, until a request gets through',
  fromFile: 'domain add, from the changed file until a request gets through',
}

const PARTS: Readonly<Record<Exclude<keyof Memory, 'shared'>, string>> = {
  proxy: 'proxy',
  dns: 'DNS',
  around: 'what Podman keeps beside each container',
  beside: '**all beside the agent**',
  resident: 'the same, pages counted again in each process that has them',
  agent: 'an agent in Node that does nothing',
}

await startLabs(1)
try {
  const times = JSON.parse(await inLab('times', flags.times)) as Times
  const one = await memory()
  const more = JSON.parse(await inLab('more', flags.cages)) as readonly number[]
  const all = await memory()
  if (!flags['no-write']) await writeResults('cages', { milliseconds: { ...times, more }, megabytes: { one, all } })
  print(times, { one, all, more })
} finally {
  await inLab('remove')
  await stopLabs()
}

function inLab(...args: readonly string[]): Promise<string> {
  return asUser(NODE, '/project/bench/lab/cage-times.ts', ...args)
}

/** Other users' processes tell their memory to root only. */
async function memory(): Promise<Memory> {
  return JSON.parse(await asRoot(NODE, '/project/bench/lab/cage-memory.ts')) as Memory
}

interface Machine {
  readonly one: Memory
  readonly all: Memory
  /** How long each of the other cages took to be made. */
  readonly more: readonly number[]
}

function print({ first, ...times }: Times, { one, all, more }: Machine): void {
  console.log('| | median | p90 |\n| --- | ---: | ---: |')
  console.log(`| cage create, first: it makes the image of the egress | ${first.toFixed(0)} ms | |`)
  for (const [name, values] of Object.entries(times))
    console.log(`| ${NAMES[name as keyof typeof NAMES]} | ${milliseconds(values)} |`)
  console.log(`| cage create, the ${more.length} others of ${more.length + 1} cages | ${milliseconds(more)} |`)
  console.log(`\nThe last of ${more.length + 1} cages took ${(more.at(-1) ?? NaN).toFixed(0)} ms.`)
  console.log('\n| memory of a cage | with one | with all |\n| --- | ---: | ---: |')
  for (const part of ['proxy', 'dns', 'around', 'beside', 'resident', 'agent'] as const)
    console.log(`| ${PARTS[part]} | ${one[part].toFixed(0)} MB | ${all[part].toFixed(0)} MB |`)
  console.log(`\n${all.shared.toFixed(0)} MB of Podman's are shared by all cages.`)
}

function milliseconds(values: readonly number[]): string {
  return `${median(values).toFixed(0)} ms | ${quantile(values, 0.9).toFixed(0)} ms`
}
