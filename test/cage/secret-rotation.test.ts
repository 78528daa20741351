/**
 * A changed value counts from the next request on, without a restart: in the store, in a file, by another placeholder. A value
 * that is wrong or missing leaves the last good one in force and is told; commands are asked again with the configuration.
 */
import assert from 'node:assert/strict'
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { resolvePlaceholders, rotatePlaceholders } from '../../src/secrets/placeholders.ts'
import { run } from '../support/command.ts'
import { startEgress, type EgressProcess } from '../support/egress-process.ts'
import { json } from '../support/http-response.ts'
import { startInternet } from '../support/internet.ts'
import { get } from '../support/proxy-client.ts'
import { withFolder } from '../support/temporary.ts'
import { COMPILED, PROGRAM } from '../support/program.ts'

const PLACEHOLDER = 'a-placeholder-for-the-key'
const FIRST = 'first-value-1234567890'
const SECOND = 'second-value-1234567890'

interface Rotation {
  readonly egress: EgressProcess
  /** The value that arrives at the host for the placeholder, now. */
  readonly arriving: (placeholder?: string) => Promise<string | undefined>
  readonly agentcage: (args: readonly string[], input?: string) => Promise<string>
  readonly home: string
}

interface Options {
  readonly rule: Readonly<Record<string, unknown>>
  readonly prepare?: (home: string) => Promise<void>
}

async function start(t: TestContext, { rule, prepare }: Options): Promise<Rotation> {
  const home = await withFolder(t)
  const internet = await startInternet()
  t.after(() => internet.close())
  const server = await internet.server('api.test', (_request, response) => void response.end(`it was ${FIRST} once`))
  await internet.server('other.test')
  const agentcage = async (args: readonly string[], input = ''): Promise<string> => {
    const { code, stdout, stderr } = await run(process.execPath, [PROGRAM, ...args], {
      env: { HOME: home, PATH: process.env['PATH'], ...COMPILED },
      input,
    })
    assert.equal(code, 0, stderr)
    return stdout
  }
  await prepare?.(home)
  const config = {
    name: 'box',
    domains: { list: ['api.test', 'other.test'] },
    rate_limit: { requests_per_second: 0 },
    upstream: internet.upstream,
    secret_injection: [{ env: 'KEY', inject_to: ['api.test'], ...rule }],
  }
  const egress = await startEgress(t, config, { env: { HOME: home } })
  const arriving = async (placeholder = PLACEHOLDER): Promise<string | undefined> => {
    const headers = { 'X-Api-Key': placeholder }
    const response = await get('https://api.test/', { proxy: egress.proxy, ca: egress.ca, headers })
    assert.equal(response.status, 200)
    assert.equal(response.body.includes(FIRST), false, 'a value stays secret after it was replaced')
    const arrived = server.requests.at(-1)?.rawHeaders ?? []
    return arrived[arrived.findIndex((name) => name.toLowerCase() === 'x-api-key') + 1]
  }
  return { egress, home, agentcage, arriving }
}

async function startStored(t: TestContext): Promise<Rotation> {
  return start(t, {
    rule: { placeholder: PLACEHOLDER },
    async prepare(home) {
      const folder = join(home, '.config/agentcage/deployments/box/secrets')
      await mkdir(folder, { recursive: true, mode: 0o700 })
      for (const path of [folder, dirname(folder)]) await chmod(path, 0o700)
      await writeFile(join(folder, 'KEY'), FIRST, { mode: 0o600 })
    },
  })
}

test('a value that is set again, removed, and set wrong', async (t) => {
  const { egress, agentcage, arriving, home } = await startStored(t)
  assert.equal(await arriving(), FIRST)

  await agentcage(['secret', 'set', 'box', 'KEY'], SECOND)
  await egress.says(/new values in force: KEY/)
  assert.equal(await arriving(), SECOND)

  const literal = { proxy: egress.proxy, ca: egress.ca, headers: { 'X-Api-Key': FIRST } }
  const refused = await get('https://other.test/', literal)
  assert.deepEqual([refused.status, json(refused)['code']], [403, 'secret_literal'])

  await agentcage(['secret', 'rm', 'box', 'KEY'])
  await egress.says(/warning: the last good value of KEY stays in force: it has no value any more/)
  assert.equal(await arriving(), SECOND)

  const path = join(home, '.config/agentcage/deployments/box/secrets/KEY')
  await writeFile(`${path}.new`, 'a\0b', { mode: 0o600 })
  await rename(`${path}.new`, path)
  await egress.says(/last good value of KEY stays in force: the value of secret KEY holds a NUL character/)
  assert.equal(await arriving(), SECOND)

  await agentcage(['secret', 'set', 'box', 'KEY'], `holds ${PLACEHOLDER}`)
  await egress.says(/secrets not changed, the last good ones stay in force: /)
  assert.equal(await arriving(), SECOND)

  await agentcage(['secret', 'set', 'box', 'KEY'], FIRST)
  await egress.says(/(?:new values in force: KEY[^]*){2}/)
  assert.equal(await arriving(), FIRST)
  for (const value of [FIRST, SECOND]) assert.equal(egress.stderr.includes(value), false)
})

test('a configuration that changes while a secret has no value is put in force all the same', async (t) => {
  const { egress, agentcage, arriving } = await startStored(t)
  await agentcage(['secret', 'rm', 'box', 'KEY'])
  await egress.says(/last good value of KEY stays/)
  egress.signal('SIGHUP')
  await egress.says(/last good value of KEY[^]*last good value of KEY[^]*configuration reloaded/)
  assert.equal(await arriving(), FIRST)
})

test('a file, replaced, given away and mended', async (t) => {
  const file = (home: string): string => join(home, 'key')
  const { egress, arriving, home } = await start(t, {
    rule: { placeholder: PLACEHOLDER, source: 'file:~/key' },
    prepare: (folder) => writeFile(file(folder), `${FIRST}\n`, { mode: 0o600 }),
  })
  assert.equal(await arriving(), FIRST)
  await writeFile(`${file(home)}.new`, SECOND, { mode: 0o600 })
  await rename(`${file(home)}.new`, file(home))
  await egress.says(/new values in force: KEY/)
  assert.equal(await arriving(), SECOND)
  await chmod(file(home), 0o644)
  await egress.says(/last good value of KEY stays in force: .*key has mode 0644/)
  await rm(file(home))
  await egress.says(/there is no file/)
  assert.equal(await arriving(), SECOND)
  await writeFile(file(home), FIRST, { mode: 0o600 })
  await egress.says(/(?:new values in force: KEY[^]*){2}/)
  assert.equal(await arriving(), FIRST)
})

test('a command is asked when the configuration is read, and not for other changes', async (t) => {
  const { egress, arriving, home } = await start(t, {
    rule: { placeholder: PLACEHOLDER, source: { cmd: 'echo asked >> ~/asked; cat ~/answer', shell: true } },
    prepare: (folder) => writeFile(join(folder, 'answer'), FIRST),
  })
  const asked = async (): Promise<number> => (await readFile(join(home, 'asked'), 'utf8')).split('\n').length - 1
  assert.equal(await arriving(), FIRST)
  await writeFile(join(home, 'answer'), SECOND)
  assert.deepEqual([await arriving(), await asked()], [FIRST, 1])
  egress.signal('SIGHUP')
  await egress.says(/configuration reloaded/)
  assert.deepEqual([await arriving(), await asked()], [SECOND, 2])
  await rm(join(home, 'answer'))
  egress.signal('SIGHUP')
  await egress.says(/last good value of KEY stays in force: .*cmd:\/bin\/sh: it ended with exit code 1\n/)
  assert.equal(await arriving(), SECOND)
})

test('new placeholders: the old one means nothing from then on', async (t) => {
  const { egress, arriving } = await start(t, {
    rule: { source: 'file:~/key' },
    prepare: (folder) => writeFile(join(folder, 'key'), FIRST, { mode: 0o600 }),
  })
  const state = dirname(egress.auditPath)
  const placeholder = async (): Promise<string> => (await resolvePlaceholders([{ env: 'KEY' }], state)).get('KEY') ?? ''
  const before = await placeholder()
  assert.equal(await arriving(before), FIRST)
  assert.deepEqual(await rotatePlaceholders(state), ['KEY'])
  const after = await placeholder()
  assert.notEqual(after, before)
  await egress.says(/new placeholders in force/)
  assert.deepEqual([await arriving(after), await arriving(before)], [FIRST, before])
})
