/**
 * Frames are read strictly (RFC 6455 section 5). What is malformed, from either side, ends that connection with a close
 * code and one record, and nothing of it is passed on; so does a message over the bound. The egress serves on.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { startBed } from '../bed.ts'
import { openRaw, openWebSocket, playWebSocket } from './sockets.ts'

const hosts = { 'ws.test': { kind: 'http' } } as const

/** A frame as a client sends it, masked with zeros unless `unmasked`. */
function frame(first: number, payload: Buffer | string = '', { unmasked = false } = {}): Buffer {
  const body = Buffer.from(payload)
  const mask = unmasked ? 0 : 0x80
  const length = body.length < 126 ? [mask | body.length] : [mask | 126, body.length >> 8, body.length & 0xff]
  return Buffer.concat([Buffer.from([first, ...length]), Buffer.alloc(unmasked ? 0 : 4), body])
}

const malformed: Readonly<Record<string, Buffer>> = {
  'a frame without a mask': frame(0x81, 'hi', { unmasked: true }),
  'reserved bit 1 without an extension': frame(0xc1, 'hi'),
  'reserved bit 2': frame(0xa1, 'hi'),
  'reserved bit 3': frame(0x91, 'hi'),
  'a reserved data opcode': frame(0x83, 'hi'),
  'a reserved control opcode': frame(0x8b, 'hi'),
  'a control frame over 125 bytes': frame(0x89, Buffer.alloc(126)),
  'a control frame in fragments': frame(0x09, 'hi'),
  'a continuation of nothing': frame(0x80, 'hi'),
  'a new message within one': Buffer.concat([frame(0x01, 'one'), frame(0x81, 'two')]),
  'text that is not UTF-8': frame(0x81, Buffer.from([0xc3, 0x28])),
  'text that ends within a character': frame(0x81, Buffer.from([0xe2, 0x82])),
  'a surrogate in UTF-8': frame(0x81, Buffer.from([0xed, 0xa0, 0x80])),
  'a close of one byte': frame(0x88, Buffer.from([3])),
  'a close code below 1000': frame(0x88, Buffer.from([3, 0xe7])),
  'a close code that may not be sent': frame(0x88, Buffer.from([3, 0xee])),
  'a close reason that is not UTF-8': frame(0x88, Buffer.from([3, 0xe8, 0xc3, 0x28])),
  'a length beyond 2^53': Buffer.from([0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
}

describe('malformed frames of the client', () => {
  for (const [what, bytes] of Object.entries(malformed)) {
    test(what, async (t) => {
      const bed = await startBed(t, { hosts })
      const server = playWebSocket(bed.server('ws.test').server)
      const { socket, ear } = await openRaw(bed, 'ws.test')
      const peer = await server.next()
      socket.write(bytes)
      const said = await ear.next()
      assert.equal(said.kind, 'close')
      assert.ok(said.code === 1002 || said.code === 1009)
      await once(socket, 'close')
      // Not one message arrived: the first thing that the upstream hears is the end.
      assert.equal((await peer.ear.next()).kind, 'close')
      const record = await bed.record(() => true)
      assert.deepEqual([record.decision, record.protocol, record.status], ['blocked', 'websocket', 101])
      assert.ok(record.code === 'bad_request' || record.code === 'body_too_large')
      assert.match(said.data, new RegExp(record.id))
      assert.equal(bed.records.length, 1)
    })
  }
})

describe('malformed frames of the upstream', () => {
  for (const [what, bytes] of [
    ['a masked frame', frame(0x81, 'hi')],
    ['a reserved opcode', Buffer.from([0x83, 0])],
  ] as const) {
    test(what, async (t) => {
      const bed = await startBed(t, { hosts })
      const server = playWebSocket(bed.server('ws.test').server)
      const upgraded = once(bed.server('ws.test').server, 'upgrade')
      const client = await openWebSocket(bed, 'ws://ws.test/')
      await server.next()
      const [, socket] = (await upgraded) as [unknown, Socket]
      socket.write(bytes)
      assert.equal((await client.ear.next()).code, 1002)
      const record = await bed.record(() => true)
      assert.deepEqual([record.decision, record.code], ['allowed', 'upstream_protocol'])
    })
  }
})

describe('the bound on messages', () => {
  const config = { max_request_body: 1000 }

  test('a message of exactly the bound passes, one byte more does not', async (t) => {
    const bed = await startBed(t, { hosts, config })
    const server = playWebSocket(bed.server('ws.test').server)
    const client = await openWebSocket(bed, 'ws://ws.test/')
    const peer = await server.next()
    client.socket.send('x'.repeat(1000))
    assert.equal((await peer.ear.next()).data.length, 1000)
    client.socket.send('x'.repeat(1001))
    assert.equal((await client.ear.next()).code, 1009)
    const record = await bed.record(() => true)
    assert.deepEqual([record.decision, record.code, record.bytes_out], ['blocked', 'body_too_large', 1000])
  })

  test('fragments count together', async (t) => {
    const bed = await startBed(t, { hosts, config })
    const server = playWebSocket(bed.server('ws.test').server)
    const client = await openWebSocket(bed, 'ws://ws.test/')
    await server.next()
    for (let count = 0; count < 11; count++) client.socket.send('x'.repeat(100), { fin: false })
    assert.equal((await client.ear.next()).code, 1009)
    assert.equal((await bed.record(() => true)).code, 'body_too_large')
  })

  test('unfinished messages of many connections do not exceed the budget together', async (t) => {
    const bed = await startBed(t, { hosts, config: { max_request_body: 0 } })
    const server = playWebSocket(bed.server('ws.test').server)
    const clients = []
    for (let count = 0; count < 3; count++) {
      clients.push(await openWebSocket(bed, 'ws://ws.test/'))
      await server.next()
    }
    const half = Buffer.alloc(70_000_000)
    for (const { socket } of clients) socket.send(half, { fin: false })
    const record = await bed.record(() => true)
    assert.deepEqual([record.decision, record.code], ['blocked', 'overloaded'])
    for (const { socket } of clients) socket.terminate()
    // What they held is free again.
    const last = await openWebSocket(bed, 'ws://ws.test/')
    const peer = await server.next()
    last.socket.send(half)
    assert.equal((await peer.ear.next()).data.length, half.length)
    last.socket.terminate()
  })
})
