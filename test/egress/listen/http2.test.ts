/**
 * HTTP/2 from the workload (RFC 9113) is read strictly and within bounds. Malformed frames end the connection with a
 * record; a malformed request resets its stream, nothing of it leaves, and the second one ends the connection. Many
 * streams, resets and large heads cost the workload its connection and nobody else anything.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { constants } from 'node:http2'
import { describe, test, type TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { connectTunnel, get, http2Request, http2Session, tlsOver } from '../../support/proxy-client.ts'
import { startBed, type Bed } from '../bed.ts'

const hosts = { 'api.test': {} } as const
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const SETTINGS = frame(4, 0, 0)
/** `GET https://api.test/` by the static table (RFC 7541 appendix A). */
const REQUEST = Buffer.concat([Buffer.from([0x82, 0x87, 0x84]), literal(':authority', 'api.test')])

describe('malformed frames end the connection, with one record', () => {
  const malformed: Readonly<Record<string, Buffer>> = {
    'no preface': Buffer.from('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n'),
    'a preface that goes wrong at its end': Buffer.concat([PREFACE.subarray(0, -1), Buffer.from('x'), SETTINGS]),
    'settings on a stream': Buffer.concat([PREFACE, frame(4, 0, 1)]),
    'settings of a wrong length': Buffer.concat([PREFACE, frame(4, 0, 0, Buffer.alloc(5))]),
    'a frame over the largest size': Buffer.concat([PREFACE, SETTINGS, frame(0, 0, 1, Buffer.alloc(16_385))]),
    'data on stream 0': Buffer.concat([PREFACE, SETTINGS, frame(0, 0, 0, Buffer.alloc(1))]),
    'headers on an even stream': Buffer.concat([PREFACE, SETTINGS, frame(1, 5, 2, REQUEST)]),
    'headers that HPACK cannot read': Buffer.concat([
      PREFACE,
      SETTINGS,
      frame(1, 5, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0x0f])),
    ]),
    'padding longer than the frame': Buffer.concat([PREFACE, SETTINGS, frame(1, 0x0d, 1, Buffer.from([200, 0x82]))]),
    'a continuation of nothing': Buffer.concat([PREFACE, SETTINGS, frame(9, 4, 1, REQUEST)]),
    'a promise from a client': Buffer.concat([
      PREFACE,
      SETTINGS,
      frame(1, 4, 1, REQUEST),
      frame(5, 4, 1, Buffer.alloc(4)),
    ]),
    'a window that overflows': Buffer.concat([
      PREFACE,
      SETTINGS,
      frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff])),
    ]),
    'an update by nothing': Buffer.concat([PREFACE, SETTINGS, frame(8, 0, 0, Buffer.alloc(4))]),
  }
  for (const [what, bytes] of Object.entries(malformed)) {
    test(what, async (t) => {
      const bed = await startBed(t, { hosts })
      const socket = await rawConnection(bed)
      const closed = once(socket.resume(), 'close')
      socket.write(bytes)
      await closed
      await bed.record(({ reason }) => reason === 'malformed HTTP/2')
      const [record, ...others] = bed.records.filter(({ code }) => code === 'bad_request')
      assert.deepEqual(
        [record?.protocol, record?.host, record?.port, record?.decision, others.length],
        ['h2', 'api.test', 443, 'blocked', 0],
      )
    })
  }
})

describe('malformed requests', () => {
  const fields: Readonly<Record<string, Buffer>> = {
    'a name in upper case': literal('X-Upper', 'y'),
    Connection: literal('connection', 'close'),
    'Transfer-Encoding': literal('transfer-encoding', 'chunked'),
    'TE other than trailers': literal('te', 'gzip'),
    'a second :path': literal(':path', '/other'),
    'an unknown pseudo-field': literal(':odd', 'x'),
    'user information in a second :authority': literal(':authority', 'user@api.test'),
    'two lengths that differ': Buffer.concat([literal('content-length', '1'), literal('content-length', '2')]),
    'a length without a body': literal('content-length', '5'),
  }
  for (const [what, extra] of Object.entries(fields)) {
    test(`${what}: reset, and not sent; again: the connection ends with a record`, async (t) => {
      const bed = await startBed(t, { hosts })
      const socket = await rawConnection(bed)
      const closed = once(socket.resume(), 'close')
      const block = Buffer.concat([REQUEST, extra])
      socket.write(Buffer.concat([PREFACE, SETTINGS, ...[1, 3, 5].map((id) => frame(1, 5, id, block))]))
      await closed
      await bed.record(({ reason }) => reason === 'malformed HTTP/2')
      assert.equal(bed.server('api.test').connections, 0)
    })
  }

  for (const [what, field] of [
    ['a name with a space', literal('x y', 'z')],
    ['a value with a line break', literal('x', 'a\r\nb: c')],
    ['a value with NUL', literal('x', 'a\0b')],
  ] as const) {
    test(`${what}: neither looked at nor sent`, async (t) => {
      const bed = await startBed(t, { hosts })
      const socket = await rawConnection(bed)
      socket.resume().write(Buffer.concat([PREFACE, SETTINGS, frame(1, 5, 1, Buffer.concat([REQUEST, field]))]))
      await bed.record(({ decision }) => decision === 'allowed')
      assert.deepEqual(bed.server('api.test').requests[0]?.rawHeaders.slice(8), [])
      socket.destroy()
    })
  }

  test('a missing :path or :method is no request', async (t) => {
    const bed = await startBed(t, { hosts })
    const socket = await rawConnection(bed)
    const closed = once(socket.resume(), 'close')
    const noPath = Buffer.concat([Buffer.from([0x82, 0x87]), literal(':authority', 'api.test')])
    socket.write(Buffer.concat([PREFACE, SETTINGS, frame(1, 5, 1, noPath), frame(1, 5, 3, noPath)]))
    await closed
    assert.equal(bed.server('api.test').connections, 0)
  })

  test('a body that is longer than its length is reset', async (t) => {
    const bed = await startBed(t, { hosts })
    const session = await http2Session('https://api.test', bed)
    const stream = session.request({ ':method': 'POST', ':path': '/', 'content-length': '1' })
    session.on('error', () => {})
    const closed = new Promise((resolve) => stream.on('error', () => {}).once('close', resolve))
    stream.end('more')
    await closed
    assert.equal(bed.server('api.test').requests.length, 0)
    session.destroy()
  })
})

describe('bounds', () => {
  test('a head over 64 kB is refused, the connection of others is not touched', async (t) => {
    const bed = await startBed(t, { hosts })
    const session = await http2Session('https://api.test', bed)
    session.on('error', () => {})
    await assert.rejects(http2Request(session, { ':path': '/', 'x-large': 'a'.repeat(100_000) }))
    assert.equal(bed.server('api.test').connections, 0)
    assert.equal((await get('https://api.test/', bed)).status, 200)
    session.destroy()
  })

  test('a hundred thousand fields of one byte each are refused (HPACK bomb, CVE-2016-6581)', async (t) => {
    const bed = await startBed(t, { hosts })
    const socket = await rawConnection(bed)
    socket.on('error', () => {}).resume()
    const closed = new Promise((resolve) => socket.once('close', resolve))
    // One field goes into the table of the connection, every further byte is that field again (RFC 7541 section 6.1).
    const first = Buffer.concat([
      REQUEST,
      Buffer.from([0x40, 1]),
      Buffer.from('x'),
      Buffer.from([2]),
      Buffer.from('ab'),
    ])
    const again = Buffer.alloc(10_000, 0xbe)
    socket.write(Buffer.concat([PREFACE, SETTINGS, frame(1, 1, 1, first)]))
    for (let count = 0; count < 10; count += 1) socket.write(frame(9, count === 9 ? 4 : 0, 1, again))
    const answered = new Promise((resolve) => socket.on('data', resolve))
    await Promise.race([closed, answered])
    assert.equal(bed.server('api.test').connections, 0)
    assert.equal((await get('https://api.test/', bed)).status, 200)
    socket.destroy()
  })

  test('hundreds of streams at once are served in their turn', async (t) => {
    const bed = await startBed(t, { hosts })
    const session = await http2Session('https://api.test', bed)
    const answers = await Promise.all(
      Array.from({ length: 400 }, (_, index) => http2Request(session, { ':path': `/${index}` })),
    )
    assert.ok(answers.every(({ status }) => status === 200))
    session.close()
  })

  test('streams that are reset at once, over and over, end the connection, not the egress', async (t) => {
    const bed = await startBed(t, { hosts })
    const socket = await rawConnection(bed)
    socket.on('error', () => {}).resume()
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write(Buffer.concat([PREFACE, SETTINGS]))
    let stream = 1
    const more = (): void => {
      if (socket.destroyed || stream > 100_000) return
      const burst = Array.from({ length: 500 }, () => {
        const id = (stream += 2) - 2
        return Buffer.concat([frame(1, 5, id, REQUEST), frame(3, 0, id, Buffer.from([0, 0, 0, 8]))])
      })
      socket.write(Buffer.concat(burst), () => setImmediate(more))
    }
    more()
    await closed
    assert.equal((await get('https://api.test/', bed)).status, 200)
  })

  // Below the rate at which a connection ends. What was asked of the upstream is reset with it, and must end whether or not
  // that reset is ever written: Node's sessions get stuck under it, and each exchange that stays has a share of the memory.
  test('connections that reset all their streams, one after the other, leave nothing behind (CVE-2023-44487)', async (t) => {
    const bed = await startBed(t, { hosts: { ...hosts, 'other.test': {} } })
    const streams = Array.from({ length: 900 }, (_, index) => 2 * index + 1)
    for (let round = 0; round < 2; round++) {
      await Promise.all(Array.from({ length: 5 }, () => askAndReset(bed, streams)))
      assert.equal((await get('https://other.test/', bed)).status, 200)
    }
    await bed.record(() => bed.records.length === 10 * streams.length + 2)
  })

  test('an endless head is cut (CONTINUATION flood)', async (t) => {
    const bed = await startBed(t, { hosts })
    const socket = await rawConnection(bed)
    socket.on('error', () => {}).resume()
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write(Buffer.concat([PREFACE, SETTINGS, frame(1, 1, 1, REQUEST)]))
    const piece = frame(9, 0, 1, literal('x', 'a'.repeat(10_000)))
    const more = (): void => void (socket.destroyed || socket.write(piece, () => setImmediate(more)))
    more()
    await closed
    assert.equal((await get('https://api.test/', bed)).status, 200)
  })
})

test('a session that the egress closes refuses new streams and ends those it has', async (t: TestContext) => {
  const bed = await startBed(t, { hosts: { 'api.test': { streaming: (_request, response) => response.write('x') } } })
  const session = await http2Session('https://api.test', bed)
  session.on('error', () => {})
  const stream = session.request({ ':path': '/' })
  stream.on('error', () => {})
  await once(stream, 'data')
  const goaway = once(session, 'goaway')
  const closed = once(session, 'close')
  await Promise.all([bed.egress.close({ drainMs: 100 }), goaway, closed])
  assert.equal(stream.rstCode, constants.NGHTTP2_INTERNAL_ERROR)
  assert.deepEqual(
    bed.records.map(({ code }) => code),
    ['egress_closed'],
  )
})

async function rawConnection(bed: Bed): Promise<TLSSocket> {
  const tunnel = await connectTunnel(bed.proxy, 'api.test:443')
  const socket = await tlsOver(tunnel, { ca: bed.ca, servername: 'api.test', alpn: ['h2'] })
  return socket.on('error', () => {})
}

/** Ends when the egress has read it all. */
async function askAndReset(bed: Bed, streams: readonly number[]): Promise<void> {
  const socket = await rawConnection(bed)
  const ponged = new Promise<void>((resolve) => {
    let answer = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk])
      if (answer.includes('answered')) resolve()
    })
  })
  socket.write(Buffer.concat([PREFACE, SETTINGS]))
  const resets = streams.flatMap((id) => [frame(1, 5, id, REQUEST), frame(3, 0, id, Buffer.from([0, 0, 0, 8]))])
  socket.write(Buffer.concat([...resets, frame(6, 0, 0, Buffer.from('answered'))]))
  await ponged
  socket.destroy()
}

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A field without indexing and without Huffman (RFC 7541 section 6.2.2). */
function literal(name: string, value: string): Buffer {
  const text = (bytes: Buffer): Buffer => Buffer.concat([integer(bytes.length), bytes])
  return Buffer.concat([Buffer.from([0]), text(Buffer.from(name, 'latin1')), text(Buffer.from(value, 'latin1'))])
}

/** RFC 7541 section 5.1, seven bits. */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.from([value])
  const bytes = [127]
  let rest = value - 127
  for (; rest >= 128; rest = rest >> 7) bytes.push((rest & 127) | 128)
  return Buffer.from([...bytes, rest])
}
