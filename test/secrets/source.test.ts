/**
 * A source is the only place that a value comes from: what cannot be had there is an error that names the secret and the
 * source, and never the value or a command's arguments. Commands are real programs; files have real modes.
 */
import assert from 'node:assert/strict'
import { chmod, chown, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { parseConfig } from '../../src/config/load.ts'
import type { SecretSource } from '../../src/config/schema-secret-source.ts'
import { CageError } from '../../src/errors.ts'
import { Reach } from '../../src/secrets/reach.ts'
import { readSource, type SourceContext } from '../../src/secrets/source.ts'
import { openSecretStore } from '../../src/secrets/store.ts'
import { run } from '../support/command.ts'
import { findTool, missingTools, requireThat } from '../support/requires.ts'
import { withFolder } from '../support/temporary.ts'

const VALUE = 'sesame-open-1234567890'
const PATH = '/usr/bin:/bin'
const isRoot = process.geteuid?.() === 0

interface Place {
  readonly folder: string
  readonly context: SourceContext
}

async function place(t: TestContext, more: Partial<SourceContext> = {}): Promise<Place> {
  const folder = await withFolder(t)
  const environment = { PATH, HOME: join(folder, 'home') }
  return {
    folder,
    context: {
      environment,
      configPath: join(folder, 'cage.yaml'),
      reach: await Reach.of([]),
      store: undefined,
      ...more,
    },
  }
}

function source(written: unknown): SecretSource {
  const text = JSON.stringify({ secret_injection: [{ env: 'KEY', inject_to: ['*'], source: written }] })
  const parsed = parseConfig(text, 'cage.yaml').secret_injection[0]?.source
  assert.ok(parsed)
  return parsed
}

async function valueOf(written: unknown, { context }: Place): Promise<string> {
  return (await readSource('KEY', source(written), context)).reveal()
}

async function failure(written: unknown, { context }: Place): Promise<CageError> {
  const error: unknown = await readSource('KEY', source(written), context).then(
    () => assert.fail('it gave a value'),
    (cause: unknown) => cause,
  )
  assert.ok(error instanceof CageError, String(error))
  assert.equal(`${error.message} ${error.hint} ${error.stack}`.includes(VALUE), false)
  return error
}

async function script(folder: string, name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, `#!/bin/sh\n${text}\n`)
  await chmod(path, 0o755)
  return path
}

describe('store', () => {
  test('and not the environment', async (t) => {
    const here = await place(t)
    const store = await openSecretStore(join(here.folder, 'store'))
    const there = { ...here, context: { ...here.context, store, environment: { KEY: 'another' } } }
    const { code, message } = await failure('store', there)
    assert.deepEqual([code, message], ['secret_unavailable', 'secret KEY, source store: the store has no value'])
    await store.set('KEY', VALUE)
    assert.equal(await valueOf('store', there), VALUE)
  })
})

describe('env', () => {
  test('another variable than the secret', async (t) => {
    const here = await place(t, { environment: { PROD_KEY: `${VALUE}\n`, KEY: 'another' } })
    assert.equal(await valueOf('env:PROD_KEY', here), VALUE)
  })

  test('no falling back to the store or to the variable of its own name', async (t) => {
    const store = { get: () => assert.fail('the store was asked') }
    for (const environment of [{ KEY: 'a' }, { KEY: 'a', PROD_KEY: '' }]) {
      const { code, message } = await failure('env:PROD_KEY', await place(t, { environment, store }))
      assert.deepEqual(
        [code, message],
        ['secret_unavailable', 'secret KEY, source env:PROD_KEY: the variable is not set'],
      )
    }
    assert.equal((await failure('env:constructor', await place(t))).code, 'secret_unavailable')
  })
})

describe('file', () => {
  test('absolute, from the home, relative to the configuration, through a link', async (t) => {
    const here = await place(t)
    await mkdir(join(here.folder, 'home'))
    for (const path of ['key', 'home/key']) await writeFile(join(here.folder, path), `${VALUE}\n`, { mode: 0o600 })
    await symlink('key', join(here.folder, 'link'))
    for (const written of ['file:key', `file:${here.folder}/key`, 'file:~/key', 'file:./home/../key', 'file:link'])
      assert.equal(await valueOf(written, here), VALUE, written)
  })

  test('one that others may read, or that is no file', async (t) => {
    const here = await place(t)
    for (const mode of [0o640, 0o604, 0o620, 0o602]) {
      await writeFile(join(here.folder, 'key'), VALUE)
      await chmod(join(here.folder, 'key'), mode)
      const { code, message, hint } = await failure('file:key', here)
      assert.equal(code, 'state_unusable')
      assert.match(message, /lets others in/)
      assert.match(hint ?? '', /^chmod /)
    }
    await mkdir(join(here.folder, 'folder'))
    assert.match((await failure('file:folder', here)).message, /not a plain file/)
    assert.match((await failure('file:/dev/null', here)).message, /not a plain file/)
  })

  test('one of another user', async (t) => {
    if (!requireThat(t, isRoot, 'root')) return
    const here = await place(t)
    await writeFile(join(here.folder, 'key'), VALUE, { mode: 0o600 })
    await chown(join(here.folder, 'key'), 12_345, 0)
    assert.match((await failure('file:key', here)).message, /belongs to user 12345/)
  })

  test('one of root, for the group of a user, is how a service is given a secret', async (t) => {
    if (!requireThat(t, isRoot, 'root')) return
    const { folder } = await place(t)
    await chmod(folder, 0o755)
    const path = join(folder, 'key')
    await writeFile(path, VALUE)
    await chown(path, 0, 65_534)
    const module = import.meta.resolve('../../src/system/files.ts')
    const reader = `process.setgid(65534); process.setuid(65534)
      const { readOwnFile } = await import(${JSON.stringify(module)})
      console.log((await readOwnFile(${JSON.stringify(path)}, { maxBytes: 99, others: 'nothing', rootToo: true })).toString())`
    const answers = []
    for (const mode of [0o440, 0o640, 0o660, 0o444]) {
      await chmod(path, mode)
      const { code, stdout } = await run(process.execPath, ['--input-type=module', '-e', reader])
      answers.push(code === 0 ? stdout.trim() : 'refused')
    }
    assert.deepEqual(answers, [VALUE, VALUE, 'refused', 'refused'])
  })

  test('one that is missing, too large, empty, or not text', async (t) => {
    const here = await place(t)
    const missing = await failure('file:key', here)
    assert.equal(missing.code, 'secret_unavailable')
    assert.equal(missing.message, `secret KEY, source file:key: there is no file ${here.folder}/key`)
    const contents: readonly (readonly [string | Buffer, RegExp])[] = [
      ['x'.repeat(70_000), /larger than/],
      ['x'.repeat(65_537), /longer than 65536 bytes/],
      ['\n', /is empty/],
      [Buffer.from([0xff, 0xfe]), /is not UTF-8 text/],
    ]
    for (const [content, message] of contents) {
      await writeFile(join(here.folder, 'key'), content, { mode: 0o600 })
      assert.match((await failure('file:key', here)).message, message)
    }
  })

  test('a relative path without a configuration', async (t) => {
    assert.match(
      (await failure('file:key', await place(t, { configPath: undefined }))).message,
      /needs a configuration/,
    )
  })

  test("attack: one in the workload's reach, as named or through a link", async (t) => {
    const here = await place(t)
    const project = join(here.folder, 'project')
    await mkdir(project)
    await writeFile(join(project, 'key'), VALUE, { mode: 0o600 })
    await symlink(project, join(here.folder, 'other-name'))
    await symlink('project/key', join(here.folder, 'key'))
    await symlink('/dev/null', join(project, 'out'))
    await symlink('project/later', join(here.folder, 'dangling'))
    await symlink('dangling/deeper', join(here.folder, 'twice'))
    await symlink('round', join(here.folder, 'round'))
    for (const reach of [project, join(here.folder, 'other-name')]) {
      const there = { ...here, context: { ...here.context, reach: await Reach.of([reach]) } }
      for (const written of [
        'file:project/key',
        'file:other-name/key',
        'file:key',
        'file:project/out',
        // Nothing is there, but the workload could put something there.
        'file:project/none/key',
        'file:dangling',
        'file:dangling/key',
        'file:twice',
      ]) {
        const { code, message } = await failure(written, there)
        assert.equal(code, 'config_invalid', written)
        assert.match(message, /within the workload's reach/)
      }
      assert.equal((await failure('file:round', there)).code, 'secret_unavailable')
    }
  })
})

describe('cmd', () => {
  test('a program from PATH, one beside the configuration, a list of words, a shell when asked for', async (t) => {
    const here = await place(t)
    await script(here.folder, 'vault', `[ "$*" = "get a b" ] && echo ${VALUE}`)
    const sources = [
      `cmd:printf ${VALUE}\\\\n`,
      'cmd:./vault get a b',
      { cmd: ['./vault', 'get', 'a b'] },
      { cmd: `echo ${VALUE} ignored | cut -d' ' -f1`, shell: true },
    ]
    for (const written of sources) assert.equal(await valueOf(written, here), VALUE)
  })

  test('gets the environment, no input, no terminal, and runs in /', async (t) => {
    const here = await place(t)
    await script(here.folder, 'look', 'pwd; cat; (: < /dev/tty) 2>/dev/null && echo tty; echo "$TOKEN_FOR_VAULT"')
    const there = {
      ...here,
      context: { ...here.context, environment: { PATH, TOKEN_FOR_VAULT: 'handed through' } },
    }
    assert.equal(await valueOf('cmd:./look', there), '/\nhanded through')
  })

  test('its complaint is shown without control characters, its arguments are not', async (t) => {
    const here = await place(t)
    await script(
      here.folder,
      'vault',
      "printf 'not signed in\\033]52;c;eA==\\007\\r\\n\\033[31mtried %s\\n' twice >&2; exit 3",
    )
    const { code, message } = await failure(`cmd:./vault read hush-hush`, here)
    assert.equal(code, 'secret_unavailable')
    assert.equal(message, 'secret KEY, source cmd:./vault: it ended with exit code 3\n  not signed in\n  tried twice')
  })

  test('attack: what it printed is not shown as a part of its complaint, in whatever form', async (t) => {
    const here = await place(t)
    const complaints: readonly string[] = [
      `echo ${VALUE}; echo "tried ${VALUE}" >&2`,
      `echo user: me; echo ${VALUE}; echo "tried ${VALUE}" >&2`,
      `echo ${VALUE} and more; echo "tried ${VALUE}" >&2`,
      `printf '"${VALUE.slice(0, 9)}'; echo "tried ${VALUE}" >&2`,
    ]
    for (const complaint of complaints) {
      await script(here.folder, 'vault', `${complaint}; exit 3`)
      assert.equal(
        (await failure('cmd:./vault', here)).message,
        'secret KEY, source cmd:./vault: it ended with exit code 3\n' +
          '  what it complained about is not shown, as it had printed something: run it to see',
        complaint,
      )
    }
  })

  test('one that is killed, that is not there, that is no program', async (t) => {
    const here = await place(t)
    await writeFile(join(here.folder, 'text'), 'no program')
    await writeFile(join(here.folder, 'broken'), '#!/no/such/interpreter\n', { mode: 0o755 })
    const messages: Readonly<Record<string, RegExp>> = {
      "cmd:sh -c 'kill -9 $$'": /source cmd:sh: SIGKILL ended it$/,
      'cmd:no-such-program': /there is no program no-such-program in PATH$/,
      'cmd:./none': /there is no program \/.*\/none$/,
      'cmd:./text': /there is no program \/.*\/text$/,
      'cmd:/': /there is no program \/$/,
      'cmd:./broken': /it could not be started: /,
      'cmd:true': /the value of secret KEY is empty$/,
      'cmd:head -c 70000 /dev/zero': /is longer than 65536 bytes$/,
      "cmd:printf '\\377'": /is not UTF-8 text$/,
    }
    for (const [written, message] of Object.entries(messages))
      assert.match((await failure(written, here)).message, message, written)
  })

  test('one that is interrupted is gone, with all that it started', async (t) => {
    const here = await place(t)
    const ending = new AbortController()
    await run('mkfifo', [join(here.folder, 'fifo')])
    await script(
      here.folder,
      'slow',
      `(sleep 1000 & echo $! > ${here.folder}/pid; echo > ${here.folder}/fifo; wait) & wait`,
    )
    const there = { ...here, context: { ...here.context, signal: ending.signal } }
    const failed = failure('cmd:./slow', there)
    await readFile(join(here.folder, 'fifo'))
    ending.abort()
    assert.match((await failed).message, /it was interrupted$/)
    const pid = Number(await readFile(join(here.folder, 'pid'), 'utf8'))
    await gone(pid)
  })

  test('one that takes too long, itself or by what it left running', async (t) => {
    const here = await place(t)
    const fifo = join(here.folder, 'fifo')
    await run('mkfifo', [fifo])
    t.mock.timers.enable({ apis: ['setTimeout'] })
    await script(here.folder, 'slow', `echo $$ > ${fifo}; exec sleep 1000`)
    const slow = failure('cmd:./slow', here)
    await readFile(fifo)
    t.mock.timers.tick(30_000)
    assert.match((await slow).message, /: it took more than 30 seconds$/)
    await script(here.folder, 'careless', `sleep 1000 & echo $$ > ${fifo}; echo ${VALUE}`)
    const careless = failure('cmd:./careless', here)
    await reaped(Number(await readFile(fifo, 'utf8')))
    t.mock.timers.tick(30_000)
    assert.match(
      (await careless).message,
      /: it ended, but what it left running kept its output open for more than 30 seconds: redirect that \(>\/dev\/null\)$/,
    )
  })

  test("attack: a program in the workload's reach is not run", async (t) => {
    const here = await place(t)
    const project = join(here.folder, 'project')
    await mkdir(join(project, 'bin'), { recursive: true })
    const trace = join(here.folder, 'ran')
    for (const name of ['bin/vault', 'bin/cut']) await script(project, name, `touch ${trace}; echo planted`)
    await symlink('project/bin/vault', join(here.folder, 'vault'))
    await mkdir(join(here.folder, 'links'))
    await symlink('../project/bin/vault', join(here.folder, 'links/vault'))
    await symlink('project/bin', join(here.folder, 'linked'))
    const path = [
      join(project, 'bin'),
      'project/bin',
      '',
      '.',
      join(here.folder, 'links'),
      join(here.folder, 'linked'),
      PATH,
    ]
    const context = {
      ...here.context,
      reach: await Reach.of([project]),
      environment: { PATH: path.join(delimiter) },
    }
    for (const written of ['cmd:./vault', 'cmd:project/bin/vault', `cmd:${project}/bin/vault`])
      assert.equal((await failure(written, { ...here, context })).code, 'config_invalid')
    assert.match((await failure('cmd:vault', { ...here, context })).message, /no program vault in PATH/)
    const inherited = { cmd: `echo ${VALUE} | cut -c1-99`, shell: true }
    assert.equal(await valueOf(inherited, { ...here, context }), VALUE, 'nor by what a command starts')
    assert.equal((await run('ls', [here.folder])).stdout.includes('ran'), false)
  })

  test('attack: a configuration in the reach of the workload names no command', async (t) => {
    const here = await place(t)
    const context = { ...here.context, reach: await Reach.of([here.folder]) }
    const { code, message } = await failure(`cmd:echo ${VALUE}`, { ...here, context })
    assert.equal(code, 'config_invalid')
    assert.match(message, /cage\.yaml is within the workload's reach, so it cannot name a command$/)
  })
})

describe('systemd-creds', () => {
  test('a credential of the service', async (t) => {
    const here = await place(t)
    const service = { ...here, context: { ...here.context, environment: { CREDENTIALS_DIRECTORY: here.folder } } }
    assert.match((await failure('systemd-creds:api', here)).message, /CREDENTIALS_DIRECTORY is not set/)
    assert.match((await failure('systemd-creds:api', service)).message, /there is no file/)
    await writeFile(join(here.folder, 'api'), VALUE, { mode: 0o400 })
    assert.equal(await valueOf('systemd-creds:api', service), VALUE)
  })

  test('an encrypted file', { skip: missingTools('systemd-creds') }, async (t) => {
    const here = await place(t)
    const tool = findTool('systemd-creds') ?? ''
    const plain = join(here.folder, 'plain')
    await writeFile(plain, VALUE)
    // A key that needs no machine: newer versions call it `null`.
    const keys = ['--with-key=null', '--with-key=tpm2-absent']
    const made = await Promise.all(
      keys.map((key, index) =>
        run(tool, [key, '--name=api.cred', 'encrypt', plain, join(here.folder, `cred-${index}`)]),
      ),
    )
    const index = made.findIndex(({ code }) => code === 0)
    assert.notEqual(index, -1, JSON.stringify(made))
    await rename(join(here.folder, `cred-${index}`), join(here.folder, 'api.cred'))
    assert.equal(await valueOf('systemd-creds:./api.cred', here), VALUE)
    const { code, message } = await failure('systemd-creds:./none.cred', here)
    assert.equal(code, 'secret_unavailable')
    assert.match(message, /source systemd-creds:\.\/none\.cred: it ended with exit code 1\n {2}\S/)
  })
})

/**
 * What agentcage asks of `podman secret inspect`, and makes of its answers, with a program of that name: the Podman of
 * Debian 12 has no `--showsecret`.
 */
test('podman is asked for one secret by its name, and its words are shown', async (t) => {
  const here = await place(t)
  const expected = 'secret inspect --showsecret --format {{.SecretData}} cage.KEY'
  await script(
    here.folder,
    'podman',
    `[ "$*" = "${expected}" ] && echo ${VALUE} && exit; echo "Error: no secret with name or id" >&2; exit 125`,
  )
  const there = { ...here, context: { ...here.context, environment: { PATH: `${here.folder}:${PATH}` } } }
  assert.equal(await valueOf('podman:cage.KEY', there), VALUE)
  const { code, message } = await failure('podman:other', there)
  assert.equal(code, 'secret_unavailable')
  assert.equal(
    message,
    'secret KEY, source podman:other: it ended with exit code 125\n  Error: no secret with name or id',
  )
})

/** Waits until a process is no more, or only waits to be reaped. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    const status = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')
    if (status === '' || /\) Z /.test(status)) return
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Waits until the parent of a process, which is this one, knows that it ended. */
async function reaped(pid: number): Promise<void> {
  while ((await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')) !== '')
    await new Promise((resolve) => setImmediate(resolve))
}
