/*
 * What a session reads and writes by ports that outlive it: input comes with its lengths and its end, output is taken to
 * its last byte however slow its reader is, and a guest that owes some and sends none is found out.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { CageError } from '../../../src/errors.ts'
import { PortSockets } from '../../../src/isolation/microvm/port-sockets.ts'
import { PortOutput, portInput } from '../../../src/isolation/microvm/port-streams.ts'
import { makeFolder } from '../../support/temporary.ts'

async function portOf(t: TestContext): Promise<{ readonly ours: Socket; readonly guest: Socket }> {
  const folder = await makeFolder()
  const sockets = await PortSockets.listen(folder, ['port'])
  const guest = connect(join(folder, 'port'))
  t.after(() => {
    guest.destroy()
    sockets[Symbol.dispose]()
    rmSync(folder, { recursive: true, force: true })
  })
  return { ours: await sockets.socket('port'), guest }
}

test('input goes in pieces after their lengths, and the last one is empty', async (t) => {
  const { ours, guest } = await portOf(t)
  const input = portInput(ours)
  const bytes = Buffer.alloc(70_000, 'x')
  input.write('one')
  input.end(bytes)
  await once(input, 'finish')
  ours.end()
  assert.equal(await text(guest), `3\none65536\n${'x'.repeat(65_536)}4464\n${'x'.repeat(4464)}0\n`)
})

test('input that is given up says its end once', async (t) => {
  const { ours, guest } = await portOf(t)
  const input = portInput(ours)
  input.destroy()
  input.destroy()
  await once(input, 'close')
  ours.end()
  assert.equal(await text(guest), '0\n')
})

test('output is taken to its last byte, though it comes after the word that it ended', async (t) => {
  const { ours, guest } = await portOf(t)
  const output = new PortOutput(ours)
  const finished = output.finish(1 << 20)
  guest.write(Buffer.alloc(1 << 20))
  let length = 0
  for await (const chunk of output.stream as AsyncIterable<Buffer>) length += chunk.length
  await finished
  assert.equal(length, 1 << 20)
})

test('the next session finds the port where the last one left it', async (t) => {
  const { ours, guest } = await portOf(t)
  for (const said of ['first', 'second']) {
    const output = new PortOutput(ours)
    guest.write(said)
    const [heard] = await Promise.all([text(output.stream), output.finish(said.length)])
    assert.equal(heard, said)
  }
})

test('a guest that owes output and sends none is found out', async (t) => {
  const { ours, guest } = await portOf(t)
  const output = new PortOutput(ours, 20)
  output.stream.resume()
  guest.write('some')
  await assert.rejects(output.finish(10), (error) => {
    assert.ok(error instanceof CageError)
    assert.match(error.message, /fell silent: 6 bytes/)
    return true
  })
})

test('a guest that wrote more than it says is found out', async (t) => {
  const { ours, guest } = await portOf(t)
  const output = new PortOutput(ours)
  output.stream.resume()
  guest.write('more than that')
  await assert.rejects(output.finish(1), /wrote more than it says/)
})

test('a port that ends ends the output', async (t) => {
  const { ours, guest } = await portOf(t)
  const output = new PortOutput(ours)
  guest.end('all')
  assert.equal(await text(output.stream), 'all')
  await output.finish(10)
})
