/**
 * The programs that probe, in both languages: they do what they are told, and say what came of it, in the same words. Run
 * where no cage is, they find the way out.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createSocket } from 'node:dgram'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import type { Operation, Outcome } from '../../../src/cage/verify/operation.ts'
import { NO_INTERPRETER, probeCommand } from '../../../src/cage/verify/program.ts'
import { run } from '../../support/command.ts'
import { findTool, missingTools } from '../../support/requires.ts'
import { withFolder } from '../../support/temporary.ts'

for (const interpreter of ['node', 'python3'] as const) {
  describe(interpreter, { skip: interpreter === 'node' ? false : missingTools(interpreter) }, () => {
    test('connects by itself and by the proxy, and reads to the end', async (t) => {
      const port = await echoing(t)
      const send = 'hello'
      const outcomes = await probe(t, interpreter, { http_proxy: `http://127.0.0.1:${port}` }, [
        { kind: 'tcp', id: 'direct', host: '127.0.0.1', port, send },
        { kind: 'tcp', id: 'proxied', host: 'nowhere.test', port: 1, send, proxied: true },
      ])
      assert.deepEqual(outcomes, [
        { id: 'direct', ok: true, data: 'got hello', error: '' },
        { id: 'proxied', ok: true, data: 'got hello', error: '' },
      ])
    })

    test('says why it cannot connect', async (t) => {
      const outcomes = await probe(t, interpreter, {}, [
        { kind: 'tcp', id: 'refused', host: '127.0.0.1', port: 1, send: '' },
        { kind: 'tcp', id: 'no proxy', host: 'x.test', port: 1, send: '', proxied: true },
      ])
      assert.deepEqual(outcomes[0], { id: 'refused', ok: false, data: '', error: 'ECONNREFUSED' })
      assert.equal(outcomes[1]?.ok, false)
      assert.notEqual(outcomes[1]?.error, '')
    })

    test('gets answers by UDP', async (t) => {
      const socket = createSocket('udp4')
      t.after(() => socket.close())
      socket.on('message', (message, { port, address }) =>
        socket.send(Buffer.concat([message, message]), port, address),
      )
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
      const send = Buffer.from([1, 2, 255]).toString('base64')
      const outcomes = await probe(t, interpreter, {}, [
        { kind: 'udp', id: 'udp', host: '127.0.0.1', port: socket.address().port, send },
      ])
      const data = Buffer.from([1, 2, 255, 1, 2, 255]).toString('base64')
      assert.deepEqual(outcomes, [{ id: 'udp', ok: true, data, error: '' }])
    })

    test('reads, writes, searches and looks at variables', async (t) => {
      const folder = await withFolder(t)
      await mkdir(join(folder, 'a/b/c'), { recursive: true })
      for (const name of ['key', 'a/key', 'a/b/too-deep', 'other']) {
        await writeFile(join(folder, name), name === 'other' ? 'nothing' : 'a PRIVATE KEY of sorts')
      }
      await symlink('/dev/zero', join(folder, 'endless'))
      const outcomes = await probe(t, interpreter, { SET: '1', EMPTY: '' }, [
        { kind: 'text', id: 'text', path: join(folder, 'other') },
        { kind: 'text', id: 'missing', path: join(folder, 'missing') },
        { kind: 'write', id: 'write', path: join(folder, 'made') },
        { kind: 'write', id: 'not write', path: join(folder, 'key') },
        { kind: 'find', id: 'find', path: folder, text: 'PRIVATE KEY' },
        { kind: 'find', id: 'find nothing', path: join(folder, 'missing'), text: 'PRIVATE KEY' },
        { kind: 'env', id: 'env', names: ['SET', 'EMPTY', 'UNSET'] },
      ])
      assert.deepEqual(
        outcomes.map(({ id, ok, data, error }) => [id, ok, data.split('\n').toSorted().join(), error]),
        [
          ['text', true, 'nothing', ''],
          ['missing', false, '', 'ENOENT'],
          ['write', true, '', ''],
          ['not write', false, '', 'EEXIST'],
          ['find', true, [join(folder, 'a/key'), join(folder, 'key')].join(), ''],
          ['find nothing', true, '', ''],
          ['env', true, 'SET', ''],
        ],
      )
      assert.ok(!(await readdir(folder)).includes('made'))
    })
  })
}

test('where there is no interpreter, that is said', async (t) => {
  const [shell, ...args] = probeCommand([])
  assert.equal((await run(shell, args, { env: { PATH: await withFolder(t) } })).code, NO_INTERPRETER)
})

/** Runs operations with this interpreter alone in PATH. */
async function probe(
  t: TestContext,
  interpreter: 'node' | 'python3',
  env: Readonly<Record<string, string>>,
  operations: readonly Operation[],
): Promise<readonly Outcome[]> {
  const folder = await withFolder(t)
  // What is called python3 may itself be a script that looks for others.
  const program = interpreter === 'node' ? process.execPath : (findTool(interpreter) ?? '')
  const shim = `#!/bin/sh\nPATH='${process.env['PATH'] ?? ''}' exec '${program}' "$@"\n`
  await writeFile(join(folder, interpreter), shim, { mode: 0o755 })
  const [shell, ...args] = probeCommand(operations)
  const { code, stdout, stderr } = await run(shell, args, { env: { PATH: folder, ...env } })
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as readonly Outcome[]
}

async function echoing(t: TestContext): Promise<number> {
  const server = createServer((socket) => {
    socket.once('data', (bytes) => socket.end(`got ${bytes.toString()}`)).on('error', () => {})
  })
  t.after(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
