/**
 * What a machine costs beside process isolation, in one run; emulated where there is no KVM. A server on loopback answers.
 *   node bench/microvm.ts [--times 3] [--no-write]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CageService } from '../test/e2e/support/service.ts'
import { SOURCE_PROGRAM } from './lab/egress.ts'
import { Lab } from './lab/lab.ts'
import { machineMemory, nodeImage } from './lab/machine.ts'
import { median, writeResults } from './lab/results.ts'

const { values: flags } = parseArgs({
  options: { times: { type: 'string', default: '3' }, 'no-write': { type: 'boolean', default: false } },
})
const rounds = Number(flags.times)

await using lab = await Lab.open()
const project = join(lab.folder, 'project')
const config = join(lab.folder, 'cage.yaml')
const image = join(lab.folder, 'node.tar')
await mkdir(project)
await writeFile(image, nodeImage())
const server = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo

/** Two processors, as by default, and a gibibyte. */
const MACHINE = { mem_mb: 1024 }
const SUBJECTS = {
  process: { isolation: 'process' },
  'microvm, the host’s system': { isolation: 'microvm', microvm: MACHINE },
  'microvm, an image with Node': { isolation: 'microvm', microvm: { ...MACHINE, image } },
} as const
type Subject = keyof typeof SUBJECTS

/** Milliseconds from the start of agentcage, and megabytes. */
interface Start {
  readonly command: number
  readonly request: number
  readonly node: number
  /** Resident memory of the VMM; 0 where there is none. */
  readonly memory: number
}

const COMMAND = `
echo command
{ curl -sSf http://api.test/ || wget -q -O - http://api.test/; } >/dev/null 2>&1 && echo request
node -e 'fetch("http://api.test/").then((r) => r.text()).then(() => console.log("node"))'
read wait`

const subjects = Object.keys(SUBJECTS) as readonly Subject[]
// The first start unpacks the kernel, makes the disk and finds out about KVM, as `vm setup` does.
for (const subject of subjects) await start(subject)
const starts = new Map(subjects.map((subject) => [subject, [] as Start[]]))
for (let round = 0; round < rounds; round++)
  for (const subject of subjects) starts.get(subject)?.push(await start(subject))
const execs = new Map<Subject, readonly number[]>()
for (const subject of subjects) if (!subject.includes('image')) execs.set(subject, await execTimes(subject))
server.close()

const shown = [...starts].map(([subject, figures]) => {
  const of = (key: keyof Start): number => median(figures.map((figure) => figure[key]))
  return { subject, command: of('command'), request: of('request'), node: of('node'), memory: of('memory') }
})
const [base] = shown
console.log(
  '| isolation | command runs | request answered | Node’s answered | against process | exec | VMM’s memory |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
)
for (const { subject, command, request, node, memory } of shown) {
  const exec = median(execs.get(subject) ?? [])
  const cells = [command, request, node].map((time) => `${time.toFixed(0)} ms`)
  const ratio = (node / (base?.node ?? NaN)).toFixed(1)
  console.log(`| ${[subject, ...cells, ratio, `${exec.toFixed(0)} ms`, `${memory.toFixed(0)} MB`].join(' | ')} |`)
}
if (!flags['no-write'])
  await writeResults('microvm', { starts: Object.fromEntries(starts), execs: Object.fromEntries(execs) })

async function start(subject: Subject): Promise<Start> {
  await writeFile(config, JSON.stringify({ ...SUBJECTS[subject], ...reaching() }))
  const began = performance.now()
  const child = spawn(process.execPath, [SOURCE_PROGRAM, 'run', '-q', '-c', config, '--', 'sh', '-c', COMMAND], {
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
  const memory = machineMemory(child.pid ?? 0)
  child.stdin.end('\n')
  await exited
  const [command = NaN, request = NaN, node = NaN] = ['command', 'request', 'node'].map((word) => times.get(word))
  return { command, request, node, memory }
}

/** Of `agentcage exec NAME -- true`, beside a workload that waits. */
async function execTimes(subject: Subject): Promise<readonly number[]> {
  await using service = await CageService.start({
    ...SUBJECTS[subject],
    ...reaching(),
    container: { command: ['sleep', '3600'] },
  })
  const times: number[] = []
  for (let turn = 0; turn <= rounds; turn++) {
    const began = performance.now()
    const { code, stderr } = await service.host.agentcage(['exec', 'demo', '--', 'true'])
    if (code !== 0) throw new Error(`exec ended with ${code}: ${stderr}`)
    if (turn > 0) times.push(performance.now() - began)
  }
  return times
}

function reaching(): Readonly<Record<string, unknown>> {
  return {
    domains: { list: ['api.test'] },
    upstream: { allow_addresses: ['127.0.0.0/8'], connect_to: { 'api.test:80': `127.0.0.1:${port}` } },
  }
}
