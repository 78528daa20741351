/**
 * How long a machine takes until its command runs and until its first allowed request has been answered, and what memory
 * its VMM holds then; emulated where there is no KVM. A server on loopback answers.
 *   node bench/machine.ts [--times 3] [--no-write]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { childrenOf } from '../src/system/process.ts'
import { SOURCE_PROGRAM } from './lab/egress.ts'
import { Lab } from './lab/lab.ts'
import { median, writeResults } from './lab/results.ts'

const { values: flags } = parseArgs({
  options: { times: { type: 'string', default: '3' }, 'no-write': { type: 'boolean', default: false } },
})

await using lab = await Lab.open()
const project = join(lab.folder, 'project')
const config = join(lab.folder, 'cage.yaml')
await mkdir(project)
const server = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo

/** As `isolation` is. */
type Isolation = 'process' | 'microvm'

interface Figures {
  /** Milliseconds from the start of agentcage. */
  readonly command: number
  readonly curl: number
  readonly node: number
  /** Resident memory of the VMM, in MB; 0 where there is none. */
  readonly memory: number
}

const COMMAND = `
echo command
curl -sSf http://api.test/ >/dev/null && echo curl
node -e 'fetch("http://api.test/").then((r) => r.text()).then(() => console.log("node"))'
read wait`

const all: Record<Isolation, Figures[]> = { process: [], microvm: [] }
for (let round = 0; round < Number(flags.times); round++)
  for (const isolation of ['process', 'microvm'] as const) all[isolation].push(await measure(isolation))

console.log('| isolation | command runs | curl answered | Node answered | VMM |\n| --- | ---: | ---: | ---: | ---: |')
for (const [isolation, figures] of Object.entries(all)) {
  const of = (key: keyof Figures): string => median(figures.map((figure) => figure[key])).toFixed(0)
  console.log(`| ${isolation} | ${of('command')} ms | ${of('curl')} ms | ${of('node')} ms | ${of('memory')} MB |`)
}
server.close()
if (!flags['no-write']) await writeResults('machine', { milliseconds: all })

async function measure(isolation: Isolation): Promise<Figures> {
  const upstream = `{allow_addresses: [127.0.0.0/8], connect_to: {'api.test:80': '127.0.0.1:${port}'}}`
  await writeFile(
    config,
    `isolation: ${isolation}\ndomains: {list: [api.test]}\nupstream: ${upstream}\nmicrovm: {mem_mb: 1024}\n`,
  )
  const began = performance.now()
  const child = spawn(process.execPath, [SOURCE_PROGRAM, 'run', '-c', config, '--', 'sh', '-c', COMMAND], {
    cwd: project,
    env: { PATH: process.env['PATH'], HOME: lab.folder, LANG: 'C.UTF-8' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const times = new Map<string, number>()
  const exited = once(child, 'exit')
  const done = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      for (const word of text.split('\n').filter(Boolean)) times.set(word, performance.now() - began)
      if (times.has('node')) resolve()
    })
  })
  await Promise.race([done, exited])
  const memory = await machineMemory(child.pid ?? 0)
  child.stdin.end('\n')
  await exited
  const [command = NaN, curl = NaN, node = NaN] = ['command', 'curl', 'node'].map((word) => times.get(word))
  return { command, curl, node, memory }
}

async function machineMemory(pid: number): Promise<number> {
  for (const child of descendants(pid)) {
    const status = await readFile(`/proc/${child}/status`, 'utf8').catch(() => '')
    const kilobytes = /^Name:\tqemu-system.*^VmRSS:\s+(\d+) kB$/ms.exec(status)?.[1]
    if (kilobytes !== undefined) return (Number(kilobytes) * 1024) / 1e6
  }
  return 0
}

function descendants(pid: number): readonly number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)])
}
