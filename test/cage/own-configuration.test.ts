/**
 * `agentcage run -c FILE` with FILE in the project: the workload cannot change it, and a change from outside, by which
 * an editor takes the protection away, does not count while the workload runs. A FILE elsewhere counts at once.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test, type TestContext } from 'node:test'
import { withoutCages } from '../isolation/process/real-cage.ts'
import { makeFolder } from '../support/temporary.ts'
import { COMPILED, PROGRAM } from '../support/program.ts'

/** Reports what the configuration says, each time it is told to: whether a name leads to the egress tells the policy. */
const WORKLOAD = `
const { Resolver } = require('node:dns').promises
const { writeFileSync } = require('node:fs')
require('node:readline').createInterface({ input: process.stdin }).on('line', async (path) => {
  let written = 'written'
  try { if (path) writeFileSync(path, 'domains: { list: [second.example] }') } catch (error) { written = error.code }
  const [address] = await new Resolver().resolve4('second.example')
  console.log(path ? written : address)
})
console.log('ready')
`
const EGRESS = '198.18.0.1'
const SINKHOLE = '198.51.100.1'

test(
  'in the project: read-only inside, and a change outside counts from the next run on',
  { skip: withoutCages },
  async (t) => {
    const cage = await start(t, 'project/cage.yaml')
    assert.equal(await cage.ask(cage.config), 'EROFS')
    assert.match(await readFile(cage.config, 'utf8'), /first\.example/)
    await cage.replaceConfig()
    await cage.says(/cage\.yaml has changed.*counts from the next run on/)
    await cage.ask(cage.config) // May succeed by now: the rename took the mount away.
    assert.equal(await cage.ask(''), SINKHOLE)
  },
)

test('elsewhere: a change counts at once', { skip: withoutCages }, async (t) => {
  const cage = await start(t, 'cage.yaml')
  assert.equal(await cage.ask(''), SINKHOLE)
  await cage.replaceConfig()
  await cage.says(/configuration reloaded/)
  assert.equal(await cage.ask(''), EGRESS)
})

async function start(t: TestContext, name: string) {
  const folder = await makeFolder()
  t.after(() => rm(folder, { recursive: true, force: true }))
  const config = join(folder, name)
  const project = join(folder, 'project')
  await mkdir(project)
  await writeFile(config, 'domains: { list: [first.example] }\n')
  const child = spawn(
    process.execPath,
    [PROGRAM, 'run', '-c', config, '--project', project, '--', process.execPath, '-e', WORKLOAD],
    { cwd: folder, env: { PATH: process.env['PATH'], HOME: folder, ...COMPILED }, stdio: 'pipe' },
  )
  t.after(async () => {
    if (child.exitCode !== null) return
    child.stdin.end()
    await once(child, 'close')
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  assert.equal((await lines.next()).value, 'ready', stderr)
  return {
    config,
    async ask(path: string): Promise<string> {
      child.stdin.write(`${path}\n`)
      return String((await lines.next()).value)
    },
    /** As editors do: writes another file and renames it. */
    async replaceConfig(): Promise<void> {
      await writeFile(`${config}.new`, 'domains: { list: [second.example] }\n')
      await rename(`${config}.new`, config)
    },
    async says(pattern: RegExp): Promise<void> {
      while (!pattern.test(stderr)) await once(child.stderr, 'data')
    },
  }
}
