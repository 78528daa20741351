import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { frame } from '../../../src/egress/dns/framing.ts'
import { rawQuery } from '../dns/oracle.ts'
import {
  addressesIn,
  askOverUdp,
  repliesUntilClosed,
  startListener,
  takeReplies,
  tcpClient,
  udpClient,
} from './dns-client.ts'

/** One client's rubbish, silence or greed ends that client's connection and nothing else. */

test('a connection ends after its hundredth query, with every reply delivered', async (t) => {
  const { port, queries } = await startListener(t)
  const client = await tcpClient(t, port)
  client.write(Buffer.concat(Array<Buffer>(150).fill(frame(rawQuery()))))
  assert.equal((await repliesUntilClosed(client)).length, 100)
  assert.equal(queries.length, 100)
})

const RUBBISH: readonly (readonly [name: string, bytes: Buffer, rcode: string | undefined])[] = [
  ['two questions', frame(rawQuery({ counts: [2, 0, 0, 0] })), 'FORMERR'],
  ['an update', frame(rawQuery({ flags: 0x2800 })), 'NOTIMP'],
  ['no length', frame(Buffer.alloc(0)), undefined],
  ['a length without end', Buffer.from([0xff, 0xff, 0, 0]), undefined],
  ['a response', frame(rawQuery({ flags: 0x8000 })), undefined],
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), undefined],
  ['TLS', Buffer.from('160301020001000000000000', 'hex'), undefined],
]

for (const [name, bytes, rcode] of RUBBISH) {
  test(`rubbish over TCP closes that connection alone: ${name}`, async (t) => {
    const { port } = await startListener(t)
    const neighbour = await tcpClient(t, port)
    const client = await tcpClient(t, port)
    client.write(bytes)
    const replies = await repliesUntilClosed(client)
    assert.deepEqual(
      replies.map((reply) => reply.rcode),
      rcode === undefined ? [] : [rcode],
    )
    neighbour.write(frame(rawQuery()))
    assert.equal((await takeReplies(neighbour, 1)).length, 1)
  })
}

test('rubbish over UDP gets an error or silence, and the socket lives on', async (t) => {
  const { port, reports } = await startListener(t)
  const client = await udpClient(t, port)
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(3), Buffer.alloc(9000, 0xff), rawQuery({ flags: 0x8000 })]) {
    client.send(bytes)
  }
  const reply = await askOverUdp(client, rawQuery({ name: Buffer.from([0xc0, 0x0c]) }))
  assert.equal(reply.rcode, 'FORMERR')
  assert.deepEqual(addressesIn(await askOverUdp(client, rawQuery())), ['10.89.0.11'])
  assert.equal(reports.length, 3)
})

test('a client that has gone when the reply leaves (ICMP port unreachable) harms nobody', async (t) => {
  const { port } = await startListener(t)
  for (let round = 0; round < 20; round++) {
    const gone = createSocket('udp4')
    await new Promise<void>((resolve) => gone.send(rawQuery(), port, '127.0.0.1', () => gone.close(resolve)))
  }
  const client = await udpClient(t, port)
  assert.deepEqual(addressesIn(await askOverUdp(client, rawQuery())), ['10.89.0.11'])
})

test('a client that drips bytes is cut off all the same', async (t) => {
  const { port } = await startListener(t, { limits: { patience: 200 } })
  const client = await tcpClient(t, port)
  const bytes = frame(rawQuery())
  let sent = 0
  const drip = setInterval(() => client.write(bytes.subarray(sent % 20, (sent++ % 20) + 1)), 20)
  t.after(() => clearInterval(drip))
  client.write(Buffer.from([0x0f, 0xff]))
  assert.deepEqual(await repliesUntilClosed(client), [])
})

test('connections beyond the bound are closed at once, and one that ends makes room', async (t) => {
  const { port } = await startListener(t, { limits: { connections: 2 } })
  const [first, second] = [await tcpClient(t, port), await tcpClient(t, port)]
  for (const client of [first, second]) {
    client.write(frame(rawQuery()))
    await takeReplies(client, 1)
  }
  const third = await tcpClient(t, port)
  assert.deepEqual(await repliesUntilClosed(third), [])
  first.resume().end()
  await once(first, 'close')
  second.write(frame(rawQuery()))
  await takeReplies(second, 1)
  const fourth = await tcpClient(t, port)
  fourth.write(frame(rawQuery()))
  assert.equal((await takeReplies(fourth, 1)).length, 1)
})

test('a flood is dropped beyond the bound, over UDP silently, over TCP by closing', async (t) => {
  const { port, queries, reports } = await startListener(t, { limits: { queriesPerSecond: 0.01 } })
  const udp = await udpClient(t, port)
  udp.send(rawQuery())
  const tcp = await tcpClient(t, port)
  tcp.write(frame(rawQuery()))
  assert.deepEqual(await repliesUntilClosed(tcp), [])
  assert.equal(queries.length, 0)
  assert.ok(reports.some((report) => report.kind === 'message' && report.reason.includes('queries a second')))
})
