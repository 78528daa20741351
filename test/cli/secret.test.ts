/**
 * `agentcage secret`: values come from standard input or a hidden prompt and are never shown; texts and exit codes are the
 * original's.
 */
import assert from 'node:assert/strict'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { deploymentOf, saveDeployment } from '../../src/cage/deployment.ts'
import { parseConfig } from '../../src/config/load.ts'
import { resolvePlaceholders } from '../../src/secrets/placeholders.ts'
import { run, type CommandResult } from '../support/command.ts'
import { COMPILED, PROGRAM } from '../support/program.ts'
import { missingTools } from '../support/requires.ts'
import { withFolder } from '../support/temporary.ts'
import { cli } from './captured-io.ts'

const VALUE = 'sesame-open-1234567890'

interface Person {
  readonly home: string
  readonly stored: string
  readonly agentcage: (args: readonly string[], input?: string, env?: Record<string, string>) => Promise<CommandResult>
}

async function person(t: TestContext): Promise<Person> {
  const home = await withFolder(t)
  return {
    home,
    stored: join(home, '.config/agentcage/deployments/demo/secrets'),
    async agentcage(args, input = '', env = {}) {
      const result = await run(process.execPath, [PROGRAM, ...args], {
        cwd: home,
        env: { HOME: home, PATH: '/usr/bin:/bin', ...COMPILED, ...env },
        input,
      })
      assert.equal(`${result.stdout}${result.stderr}`.includes(VALUE), false, 'the value is not shown')
      return result
    },
  }
}

describe('set and rm', () => {
  test('from standard input, replaced, removed', async (t) => {
    const { agentcage, stored } = await person(t)
    for (const [input, value] of [
      [`${VALUE}\n\n`, VALUE],
      [' a\nb \r\n', ' a\nb '],
    ] as const) {
      assert.deepEqual(await agentcage(['secret', 'set', 'demo', 'KEY'], input), {
        code: 0,
        stdout: "Secret 'demo.KEY' set.\n",
        stderr: '',
      })
      assert.equal(await readFile(join(stored, 'KEY'), 'utf8'), value)
      assert.equal((await stat(join(stored, 'KEY'))).mode & 0o777, 0o600)
    }
    assert.deepEqual(await agentcage(['secret', 'rm', 'demo', 'KEY']), {
      code: 0,
      stdout: "Secret 'demo.KEY' removed.\n",
      stderr: '',
    })
    const gone = await agentcage(['secret', 'rm', 'demo', 'KEY'])
    assert.deepEqual([gone.code, gone.stdout], [1, ''])
    assert.match(gone.stderr, /^error: secret 'demo\.KEY' does not exist\n/)
  })

  test('as JSON', async (t) => {
    const { agentcage } = await person(t)
    const set = await agentcage(['secret', 'set', 'demo', 'KEY', '--json'], VALUE)
    assert.deepEqual(JSON.parse(set.stdout), { cage: 'demo', name: 'KEY', set: true, live: false })
    const removed = await agentcage(['secret', 'rm', 'demo', 'KEY', '--json'])
    assert.deepEqual(JSON.parse(removed.stdout), { cage: 'demo', name: 'KEY', removed: true })
  })

  test('a value that cannot be one leaves the old one', async (t) => {
    const { agentcage, stored } = await person(t)
    await agentcage(['secret', 'set', 'demo', 'KEY'], VALUE)
    const wrong = [
      ['', 1, 'error: empty secret value\n'],
      ['\r\n\n', 1, 'error: empty secret value\n'],
      ['a\0b', 2, 'error: the value of secret KEY holds a NUL character\n'],
      ['x'.repeat(200_000), 2, 'error: the value of secret KEY is longer than 65536 bytes\n'],
    ] as const
    for (const [input, code, stderr] of wrong)
      assert.deepEqual(await agentcage(['secret', 'set', 'demo', 'KEY'], input), { code, stdout: '', stderr })
    assert.equal(await readFile(join(stored, 'KEY'), 'utf8'), VALUE)
  })

  test('never from the command line, and what stands there is not repeated', async (t) => {
    const { agentcage } = await person(t)
    for (const args of [
      ['demo', `KEY=${VALUE}`],
      ['demo', 'KEY', VALUE],
      ['demo', '../KEY'],
      ['../demo', 'KEY'],
      ['demo'],
    ]) {
      const { code, stdout, stderr } = await run(process.execPath, [PROGRAM, 'secret', 'set', ...args])
      assert.deepEqual([code, stdout], [2, ''], stderr)
      assert.equal(stderr.includes(VALUE), false)
    }
    assert.equal((await agentcage(['secret', 'list', 'demo'])).stdout, "No secrets found for 'demo'.\n")
  })
})

describe('list', () => {
  test('only names where no configuration is known', async (t) => {
    const { agentcage } = await person(t)
    for (const key of ['B', 'A']) await agentcage(['secret', 'set', 'demo', key], VALUE)
    const { code, stdout } = await agentcage(['secret', 'list', 'demo'])
    assert.deepEqual([code, stdout], [0, 'NAME\nA\nB\n'])
    const json = await agentcage(['secret', 'list', 'demo', '--json'])
    assert.deepEqual(JSON.parse(json.stdout), { cage: 'demo', secrets: [{ name: 'A' }, { name: 'B' }] })
  })

  const rules = [
    { env: 'STORED' },
    { env: 'VARIABLE' },
    { env: 'ABSENT' },
    { env: 'FROM_ENV', source: 'env:OTHER' },
    { env: 'FROM_FILE', source: 'file:none' },
    { env: 'FROM_COMMAND', source: 'cmd:printf 12345678' },
    { env: 'FROM_BROKEN', source: 'cmd:./none' },
  ].map((rule) => ({ ...rule, inject_to: ['api.test'] }))

  test('against a configuration: what is there, what is missing, what nobody asks for', async (t) => {
    const { agentcage, home } = await person(t)
    await writeFile(join(home, 'cage.yaml'), JSON.stringify({ secret_injection: rules }))
    for (const key of ['STORED', 'UNUSED']) await agentcage(['secret', 'set', 'demo', key], VALUE)
    const env = { VARIABLE: VALUE, OTHER: VALUE }
    const { code, stdout, stderr } = await agentcage(['secret', 'list', 'demo', '-c', 'cage.yaml'], '', env)
    const line = (name: string, type: string, status: string): string =>
      `${name.padEnd(30)} ${type.padEnd(12)} ${status}\n`
    assert.equal(
      stdout,
      [
        line('NAME', 'TYPE', 'STATUS'),
        line('STORED', 'injection', 'ok'),
        line('VARIABLE', 'injection', 'ok'),
        line('ABSENT', 'injection', 'MISSING'),
        line('FROM_ENV', 'injection', 'ok'),
        line('FROM_FILE', 'injection', 'MISSING'),
        line('FROM_COMMAND', 'injection', 'unchecked'),
        line('FROM_BROKEN', 'injection', 'unchecked'),
        line('UNUSED', 'orphan', 'ok'),
      ].join(''),
    )
    assert.equal(code, 1)
    assert.match(stderr, /^warning: secret FROM_FILE, source file:none: there is no file \S+\n$/)

    const asked = await agentcage(['secret', 'list', 'demo', '-c', 'cage.yaml', '--check', '--json'], '', env)
    const { secrets } = JSON.parse(asked.stdout) as {
      readonly secrets: readonly { readonly name: string; readonly status: string }[]
    }
    const statuses = Object.fromEntries(secrets.map(({ name, status }) => [name, status]))
    assert.deepEqual([statuses['FROM_COMMAND'], statuses['FROM_BROKEN']], ['ok', 'MISSING'])
  })

  test('0 when nothing is missing', async (t) => {
    const { agentcage, home } = await person(t)
    await writeFile(join(home, 'cage.yaml'), JSON.stringify({ secret_injection: rules.slice(0, 1) }))
    await agentcage(['secret', 'set', 'demo', 'STORED'], VALUE)
    assert.equal((await agentcage(['secret', 'list', 'demo', '-c', 'cage.yaml'])).code, 0)
    await writeFile(join(home, 'cage.yaml'), 'secret_injection: 1')
    assert.equal((await agentcage(['secret', 'list', 'demo', '-c', 'cage.yaml'])).code, 2)
  })
})

describe('of a cage that stays', () => {
  const config = {
    name: 'demo',
    isolation: 'container',
    container: { image: 'localhost/demo', podman_secrets: ['DIRECT'] },
    secret_injection: [
      { env: 'STORED' },
      { env: 'VARIABLE' },
      { env: 'FROM_ENV', source: 'env:KEPT' },
      { env: 'FROM_FILE', source: 'file:key' },
      { env: 'FROM_SERVICE', source: 'systemd-creds:key' },
    ].map((rule) => ({ ...rule, inject_to: ['api.test'] })),
  }

  async function deploy(home: string): Promise<void> {
    const environment = { HOME: home }
    const text = JSON.stringify(config)
    const record = {
      version: 1,
      isolation: 'container',
      created: '2026-01-01T00:00:00Z',
      updated: '2026-01-01T00:00:00Z',
      agentcage: '0.0.0',
      source: join(home, 'somewhere', 'cage.yaml'),
      working_directory: home,
      project: join(home, 'project'),
      environment: { KEPT: VALUE },
      inspectors: {},
    } as const
    const parsed = parseConfig(text, 'cage.yaml')
    await saveDeployment(deploymentOf({ name: 'demo', record, config: parsed, environment }), text)
  }

  test('list goes by its configuration, and by the environment of its service', async (t) => {
    const { agentcage, home } = await person(t)
    await deploy(home)
    await agentcage(['secret', 'set', 'demo', 'STORED'], VALUE)
    await mkdir(join(home, 'somewhere'))
    await writeFile(join(home, 'somewhere', 'key'), VALUE, { mode: 0o600 })
    const { code, stdout } = await agentcage(['secret', 'list', 'demo', '--json'], '', { VARIABLE: VALUE })
    const { secrets } = JSON.parse(stdout) as { readonly secrets: readonly object[] }
    assert.deepEqual(secrets, [
      { name: 'STORED', type: 'injection', source: 'store', status: 'ok' },
      { name: 'VARIABLE', type: 'injection', source: 'store', status: 'MISSING' },
      { name: 'FROM_ENV', type: 'injection', source: 'env:KEPT', status: 'ok' },
      { name: 'FROM_FILE', type: 'injection', source: 'file:key', status: 'ok' },
      { name: 'FROM_SERVICE', type: 'injection', source: 'systemd-creds:key', status: 'unchecked' },
      { name: 'DIRECT', type: 'direct', source: 'store', status: 'MISSING' },
    ])
    assert.equal(code, 1)
  })

  test('set warns of a value that nothing will use', async (t) => {
    const { agentcage, home } = await person(t)
    await deploy(home)
    const { code, stderr } = await agentcage(['secret', 'set', 'demo', 'FROM_ENV'], VALUE)
    assert.deepEqual([code, stderr], [0, 'warning: FROM_ENV comes from env:KEPT; the stored value is not used\n'])
  })
})

describe('rotate-placeholders', () => {
  test('makes new ones for those that were generated', async (t) => {
    const { agentcage, home } = await person(t)
    const state = join(home, '.local/state/agentcage/cages/demo')
    const none = await agentcage(['secret', 'rotate-placeholders', 'demo'])
    assert.deepEqual(none, { code: 0, stdout: "No generated placeholders for 'demo'.\n", stderr: '' })
    await mkdir(state, { recursive: true, mode: 0o700 })
    const rules = [{ env: 'KEY' }, { env: 'GIVEN', placeholder: 'given-by-hand' }]
    const before = await resolvePlaceholders(rules, state)
    const { code, stdout, stderr } = await agentcage(['secret', 'rotate-placeholders', 'demo'])
    assert.deepEqual([code, stdout], [0, "New placeholders for 'demo': KEY.\n"])
    assert.match(stderr, /until it is started again/)
    const after = await resolvePlaceholders(rules, state)
    assert.match(after.get('KEY') ?? '', /^agentcage:secret:KEY:[0-9a-f]{32}$/)
    assert.notEqual(after.get('KEY'), before.get('KEY'))
    assert.equal(after.get('GIVEN'), 'given-by-hand')
    const json = await agentcage(['secret', 'rotate-placeholders', 'demo', '--json'])
    assert.deepEqual(JSON.parse(json.stdout), { cage: 'demo', rotated: ['KEY'] })
  })
})

test('completion knows the cages', async (t) => {
  const { agentcage } = await person(t)
  await agentcage(['secret', 'set', 'demo', 'KEY'], VALUE)
  const { stdout } = await agentcage(['__complete', 'secret', 'rm', 'de'])
  assert.deepEqual(stdout.split('\t')[0], 'demo')
  const { stdout: words } = await cli('__complete', 'secret', 'r')
  assert.deepEqual(
    words
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t')[0]),
    ['rm', 'rotate-placeholders'],
  )
})

/** Types each answer when its prompt appears, then says what `stty` thinks of the terminal. */
const TYPIST = `
import json, os, pty, sys
argv, steps = json.loads(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    os.execv('/bin/sh', ['sh', '-c', '"$@"; echo "code $?"; stty -a | grep -q " echo " && echo restored', 'sh', *argv])
seen = ''
while True:
    try:
        data = os.read(terminal, 4096)
    except OSError:
        break
    seen += data.decode(errors='replace')
    while steps and steps[0][0] in seen:
        os.write(terminal, steps.pop(0)[1].encode())
os.waitpid(pid, 0)
print(seen)`

describe('at a terminal', { skip: missingTools('python3', 'stty') }, () => {
  const endings: Readonly<Record<string, readonly [typed: string, code: number, value: string, says?: RegExp]>> = {
    'typed, with a mistake': [`${VALUE}x\x7f\r`, 0, VALUE, /Secret 'demo\.KEY' set\./],
    'pasted, of several lines': ['\x1b[200~-----BEGIN\rX\r-----END\r\x1b[201~\r', 0, '-----BEGIN\nX\n-----END'],
    'pasted into a terminal that does not mark it': [`${VALUE}\recho pasted\r`, 2, 'old', /several lines were pasted/],
    'Ctrl-C': [`${VALUE}\x03`, 130, 'old'],
    nothing: ['\r', 1, 'old', /error: empty secret value/],
  }
  for (const [name, [typed, code, value, says]] of Object.entries(endings)) {
    test(name, async (t) => {
      const { home, stored, agentcage } = await person(t)
      await agentcage(['secret', 'set', 'demo', 'KEY'], 'old')
      const argv = [process.execPath, PROGRAM, 'secret', 'set', 'demo', 'KEY']
      const { stdout } = await run('python3', ['-c', TYPIST, JSON.stringify([argv, [['Value for KEY: ', typed]]])], {
        env: { ...process.env, HOME: home, NODE_DISABLE_COMPILE_CACHE: '1' },
        cwd: home,
      })
      assert.match(stdout, new RegExp(`code ${code}\\r\\nrestored`), stdout)
      if (says !== undefined) assert.match(stdout, says)
      assert.equal(/sesame|BEGIN|pasted\r\n/.test(stdout), false, stdout)
      assert.equal(await readFile(join(stored, 'KEY'), 'utf8'), value)
    })
  }
})
