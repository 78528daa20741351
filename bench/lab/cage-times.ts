/**
 * Runs in the lab as its user: `times N` prints `Times` as JSON and leaves one cage running, `more N` makes it N and prints
 * how long each of the others took, `remove` removes all of them.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { stringify } from 'yaml'

/** In milliseconds, an item a round. */
export interface Times {
  /** The very first cage: the image of the egress is made for it. */
  readonly first: number
  /** `node -e 0`, which says how fast the machine is just now. */
  readonly node: readonly number[]
  readonly create: readonly number[]
  readonly start: readonly number[]
  readonly startByCommand: readonly number[]
  readonly domainAdd: readonly number[]
  readonly effect: readonly number[]
  readonly fromFile: readonly number[]
}

const PROGRAM = '/project/dist/agentcage.js'
const HOME = homedir()
const CAGE = 'bench1'
const UNITS = ['dns', 'proxy', 'cage'].map((part) => `${CAGE}-${part}.service`)

/** Its first request is the first thing that it does; then it waits until it is asked to end. */
const AGENT = `
const { writeFileSync } = require('node:fs')
process.on('SIGTERM', () => process.exit(0))
fetch('https://allowed.test/').then(({ status }) => {
  writeFileSync('/work/answered', status + ' ' + (performance.timeOrigin + performance.now()))
  setInterval(() => {}, 1 << 30)
})`

/** Asks for a host again and again and tells when it was answered by it. */
const PROBE = `
const url = 'http://' + process.argv[1] + '/'
let asked = 0
const ask = async () => {
  const { status } = await fetch(url).then(async (answer) => (await answer.text(), answer))
  if (status === 200) return console.log(performance.timeOrigin + performance.now())
  if (asked++ === 0) console.log('denied')
  setTimeout(ask, 2)
}
ask()`

const [what, count = '1'] = process.argv.slice(2)
switch (what) {
  case 'times':
    console.log(JSON.stringify(await times(Number(count))))
    break
  case 'more':
    console.log(JSON.stringify(await more(Number(count))))
    break
  case 'remove':
    await removeAll()
    break
  default:
    throw new Error('times N, more N or remove')
}

async function times(rounds: number): Promise<Times> {
  await removeAll()
  const first = await create(CAGE)
  const all = { node: [], create: [], start: [], startByCommand: [], domainAdd: [], effect: [], fromFile: [] }
  const lists: Record<keyof typeof all, number[]> = all
  // The image stays: the next cage has been made before the one that needed it is gone.
  await create('bench2')
  for (let round = 0; round < rounds; round++) {
    await remove('bench2')
    lists.node.push(await duration([process.execPath, '-e', '0']))
    lists.create.push(await create('bench2'))
    lists.start.push(await untilAnswered(['systemctl', '--user', 'start', ...UNITS]))
    lists.startByCommand.push(await untilAnswered(agentcage('cage', 'start', CAGE)))
    const { command, effect, fromFile } = await addDomain(`host${round}.test`)
    lists.domainAdd.push(command)
    lists.effect.push(effect)
    lists.fromFile.push(fromFile)
  }
  await remove('bench2')
  return { first, ...lists }
}

async function more(cages: number): Promise<readonly number[]> {
  const taken: number[] = []
  for (let number = 2; number <= cages; number++) taken.push(await create(`bench${number}`))
  const listed = JSON.parse(await succeed(agentcage('cage', 'list', '--json'))) as readonly {
    readonly status: string
  }[]
  const healthy = listed.filter(({ status }) => status === 'running (3/3)').length
  if (healthy !== cages) throw new Error(`${healthy} of ${cages} cages run`)
  return taken
}

async function create(name: string): Promise<number> {
  const folder = join(HOME, name)
  const config = join(HOME, `${name}.yaml`)
  await mkdir(folder, { recursive: true })
  await rm(join(folder, 'answered'), { force: true })
  await writeFile(
    config,
    stringify({
      name,
      container: {
        image: 'localhost/agent:lab',
        command: ['node', '-e', AGENT.replaceAll('$', '$$$$')],
        volumes: [`${folder}:/work`],
      },
      domains: { list: ['allowed.test'] },
      upstream: { ca_file: '/run/internet/ca.pem', allow_addresses: ['198.18.0.0/15'] },
    }),
  )
  return duration(agentcage('cage', 'create', '-c', config))
}

async function duration(command: readonly string[]): Promise<number> {
  const began = now()
  await succeed(command)
  return now() - began
}

/** From the start of the command until the agent had its answer. */
async function untilAnswered(command: readonly string[]): Promise<number> {
  await succeed(agentcage('cage', 'stop', CAGE))
  const file = join(HOME, CAGE, 'answered')
  await rm(file, { force: true })
  const began = now()
  await succeed(command)
  await succeed(['timeout', '60', 'bash', '-c', 'until test -s "$1"; do sleep 0.05; done', 'wait', file])
  const [status, moment] = (await succeed(['cat', file])).split(' ')
  if (status !== '200') throw new Error(`the agent was answered ${status}`)
  return Number(moment) - began
}

async function addDomain(host: string): Promise<Readonly<Record<'command' | 'effect' | 'fromFile', number>>> {
  const probe = spawn('podman', ['exec', `${CAGE}-cage`, 'node', '-e', PROBE, host], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: probe.stdout })[Symbol.asyncIterator]()
  if ((await lines.next()).value !== 'denied') throw new Error(`${host} was not denied before`)
  const began = now()
  await succeed(agentcage('domain', 'add', CAGE, host))
  const ended = now()
  const answered = Number((await lines.next()).value)
  await once(probe, 'exit')
  const { mtimeMs } = await stat(join(HOME, `.config/agentcage/deployments/${CAGE}/cage.yaml`))
  return { command: ended - began, effect: answered - began, fromFile: answered - mtimeMs }
}

async function removeAll(): Promise<void> {
  const listed = JSON.parse(await succeed(agentcage('cage', 'list', '--json'))) as readonly { readonly name: string }[]
  for (const { name } of listed) if (/^bench\d+$/.test(name)) await remove(name)
}

async function remove(name: string): Promise<void> {
  await succeed(agentcage('cage', 'destroy', '-y', name))
}

function agentcage(...args: readonly string[]): readonly string[] {
  return [process.execPath, PROGRAM, ...args]
}

async function succeed([program = '', ...args]: readonly string[]): Promise<string> {
  return (await promisify(execFile)(program, args)).stdout
}

/** The wall clock, as the agent's: both are of one machine. */
function now(): number {
  return performance.timeOrigin + performance.now()
}
