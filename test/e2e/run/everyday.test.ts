/**
 * `run` in everyday use: it is a filter in a pipe, its exit code is the command's, signals reach the command, runs of
 * one project at once do not share state, and it ends with one line that says what happened, unless told not to.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { hiddenRuntime } from '../../support/requires.ts'
import { CageHost, withoutCages, withoutCagesOr } from '../support/cage.ts'
import { exitOf } from '../support/exit.ts'

describe('run', { skip: withoutCages }, () => {
  test('passes what is piped into it to the command, and what the command prints on, byte by byte', async () => {
    await using host = await CageHost.open()
    const bytes = randomBytes(1_000_000)
    const child = host.spawn(['cat'], ['pipe', 'pipe', 'ignore'])
    const exited = exitOf(child)
    child.stdin?.end(bytes)
    const pieces: Buffer[] = []
    child.stdout?.on('data', (piece: Buffer) => pieces.push(piece))
    assert.deepEqual(await exited, [0, null])
    assert.ok(Buffer.concat(pieces).equals(bytes))
  })

  for (const [script, code] of [
    ['exit 7', 7],
    ['kill -TERM $$', 143],
    ['exec /nowhere/to/be/found', 127],
  ] as const) {
    test(`ends with ${code} for sh -c '${script}'`, async () => {
      await using host = await CageHost.open()
      assert.equal((await host.run(['sh', '-c', script])).code, code)
    })
  }

  test('leaves no cage where the project cannot be shown: its empty log would verify as that of a run', async () => {
    await using host = await CageHost.open()
    for (const project of [join(host.folder, 'none'), host.home, '/usr']) {
      const { code, stderr } = await host.agentcage(['run', '--project', project, '--', 'true'])
      assert.equal(code, 2)
      assert.match(stderr, /^error: project folder '/)
    }
    assert.equal(existsSync(host.state), false)
  })

  test('passes a signal to the command, which decides what it means', async () => {
    await using host = await CageHost.open()
    const child = host.spawn(
      ['sh', '-c', 'trap "echo caught; exit 9" TERM; echo ready; while :; do sleep 0.1; done'],
      ['ignore', 'pipe', 'ignore'],
    )
    const exited = exitOf(child)
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text))
    while (!output.includes('ready')) await once(child.stdout as NodeJS.ReadableStream, 'data')
    child.kill('SIGTERM')
    assert.deepEqual(await exited, [9, null])
    assert.match(output, /caught/)
  })

  test(
    'ends with a line that says what happened and where it is recorded',
    { skip: withoutCagesOr('curl') },
    async () => {
      await using host = await CageHost.open()
      const { code, stderr } = await host.run(['curl', '-sf', 'https://evil.example/'])
      assert.notEqual(code, 0)
      assert.match(stderr, /^0 allowed, 0 flagged, 1 blocked - audit: (\S+)$/m)
      assert.ok(stderr.includes(host.auditPath))
      const verified = await host.agentcage(['audit', host.auditPath, '--verify'])
      assert.equal(verified.code, 0, verified.stderr)
    },
  )

  test('says nothing of its own with -q', async () => {
    await using host = await CageHost.open()
    const { code, stdout, stderr } = await host.agentcage(['run', '-q', '-c', host.configPath, '--', 'echo', 'done'])
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: 'done\n', stderr: '' })
  })

  test('runs of one project at once have state of their own', { skip: hiddenRuntime() }, async () => {
    await using host = await CageHost.open()
    const first = await host.session()
    const second = await host.session()
    for (const session of [first, second]) assert.equal((await session.run(['true'])).code, 0)
    await Promise.all([first.close(), second.close()])
    const cages = (await readdir(join(host.state, 'cages'))).toSorted()
    assert.deepEqual(cages, ['project', 'project-2'])
  })
})
