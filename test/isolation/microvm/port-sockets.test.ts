/*
 * The sockets behind a machine's ports: one connection each, from the first who comes; whoever comes later, a VMM that
 * the guest has taken over perhaps, finds nobody.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { CageError } from '../../../src/errors.ts'
import { PortSockets } from '../../../src/isolation/microvm/port-sockets.ts'
import { makeFolder } from '../../support/temporary.ts'

async function folderFor(t: TestContext): Promise<string> {
  const folder = await makeFolder()
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('a port carries bytes both ways, and its end', async (t) => {
  const folder = await folderFor(t)
  using sockets = await PortSockets.listen(folder, ['control', 'out0'])
  const client = connect(join(folder, 'out0'))
  const ours = await sockets.socket('out0')
  const answer = once(client, 'data')
  ours.write('heard')
  assert.equal(String((await answer)[0]), 'heard')
  client.end('said')
  const chunks: Buffer[] = []
  for await (const chunk of ours as AsyncIterable<Buffer>) chunks.push(chunk)
  assert.equal(Buffer.concat(chunks).toString(), 'said')
})

test('a second connection is refused', async (t) => {
  const folder = await folderFor(t)
  using sockets = await PortSockets.listen(folder, ['control'])
  const first = connect(join(folder, 'control'))
  await sockets.socket('control')
  const second = connect(join(folder, 'control'))
  const [error] = (await once(second, 'error')) as [NodeJS.ErrnoException]
  assert.match(error.code ?? '', /^(?:ECONNREFUSED|ENOENT)$/)
  first.destroy()
})

test('a folder with too long a path is refused in words', async (t) => {
  const folder = join(await folderFor(t), 'x'.repeat(100))
  await assert.rejects(PortSockets.listen(folder, ['control']), (error) => {
    assert.ok(error instanceof CageError)
    assert.equal(error.code, 'host_unsupported')
    assert.match(error.hint ?? '', /TMPDIR/)
    return true
  })
})
