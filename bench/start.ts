/**
 * How long `agentcage run -- true` takes, beside what it is made of, in one run:
 *   node bench/start.ts [--times 20] [--source] [--no-write]
 */
import { spawnSync } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { findTool } from '../test/support/requires.ts'
import { buildProgram } from '../test/support/build-program.ts'
import { SOURCE_PROGRAM } from './lab/egress.ts'
import { Lab } from './lab/lab.ts'
import { median, quantile, writeResults } from './lab/results.ts'

const { values: flags } = parseArgs({
  options: {
    times: { type: 'string', default: '20' },
    source: { type: 'boolean', default: false },
    'no-write': { type: 'boolean', default: false },
  },
})

if (findTool('bwrap') === undefined) {
  console.error('missing: bwrap (apt install bubblewrap)')
  process.exit(1)
}

await using lab = await Lab.open()
const program = flags.source ? SOURCE_PROGRAM : await buildProgram(join(lab.folder, 'program'))
const project = join(lab.folder, 'project')
await mkdir(project)

const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  'node -e 0': [process.execPath, '-e', '0'],
  'bwrap true': ['bwrap', '--unshare-all', '--ro-bind', '/', '/', 'true'],
  'agentcage --version': [process.execPath, program, '--version'],
  'agentcage run -- true': [process.execPath, program, 'run', '--quiet', '--project', project, '--', 'true'],
}

const times = new Map(Object.keys(COMMANDS).map((name) => [name, [] as number[]]))
// The first round fills the compile cache and the page cache.
for (let round = 0; round <= Number(flags.times); round++) {
  for (const [name, command] of Object.entries(COMMANDS)) {
    const milliseconds = time(command)
    if (round > 0) times.get(name)?.push(milliseconds)
  }
}

console.log('| command | median | p90 |\n| --- | ---: | ---: |')
for (const [name, all] of times) {
  console.log(`| \`${name}\` | ${median(all).toFixed(0)} ms | ${quantile(all, 0.9).toFixed(0)} ms |`)
}
if (!flags['no-write']) await writeResults('start', { milliseconds: Object.fromEntries(times) })

function time([command = '', ...args]: readonly string[]): number {
  const env = { PATH: process.env['PATH'], HOME: lab.folder, LANG: 'C.UTF-8' }
  const start = performance.now()
  const { status, stderr } = spawnSync(command, args, { cwd: project, env, encoding: 'utf8' })
  const milliseconds = performance.now() - start
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr}`)
  return milliseconds
}
