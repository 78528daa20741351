/**
 * A WebSocket lives under the policy of now: an entry that is taken away or ends closes it, a rule or a secret that
 * comes judges the next message. Messages out hold no placeholder of another host's and no live secret; messages in
 * are redacted. What was blocked is told in the close frame by the id of the record.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startBed, type BedOptions } from '../bed.ts'
import { openHttp2WebSocket, openRaw, openWebSocket, playWebSocket } from './sockets.ts'

const PLACEHOLDER = 'agentcage:secret:KEY:00112233445566778899aabbccddeeff'
const VALUE = 'sk-live-0123456789abcdef'
const hosts = { 'ws.test': { kind: 'http' }, 'other.test': { kind: 'http' }, 'wss.test': {} } as const
const withSecret: BedOptions = {
  hosts,
  config: { secret_injection: [{ env: 'KEY', placeholder: PLACEHOLDER, inject_to: ['http://ws.test', 'wss.test'] }] },
  secrets: { KEY: VALUE },
}

async function open(t: Parameters<typeof startBed>[0], options: BedOptions, host = 'ws.test') {
  const bed = await startBed(t, options)
  const server = playWebSocket(bed.server(host).server)
  const client = await openWebSocket(bed, `ws://${host}/ws`)
  return { bed, client, peer: await server.next() }
}

describe('the policy of now', () => {
  test('a host that is taken off the list: the connection ends on both sides', async (t) => {
    const { bed, client, peer } = await open(t, { hosts })
    client.socket.send('before')
    assert.equal((await peer.ear.next()).data, 'before')
    await bed.reload({ domains: { list: ['other.test'] } })
    const closed = await client.ear.next()
    const record = await bed.record(() => true)
    assert.deepEqual(closed, { kind: 'close', code: 1008, data: `agentcage domain_denied ${record.id}` })
    assert.deepEqual(
      [record.decision, record.code, record.reason],
      ['blocked', 'domain_denied', 'domain not in allowlist: ws.test'],
    )
    assert.equal((await peer.ear.next()).code, 1001)
  })

  test('the same over HTTP/2', async (t) => {
    const bed = await startBed(t, { hosts })
    const server = playWebSocket(bed.server('wss.test').server)
    const client = await openHttp2WebSocket(bed, 'wss.test')
    const peer = await server.next()
    await bed.reload({ domains: { list: [] } })
    assert.equal((await client.ear.next()).code, 1008)
    assert.equal((await peer.ear.next()).code, 1001)
    client.session.destroy()
  })

  test('a reload that still allows the host leaves the connection alone', async (t) => {
    const { bed, client, peer } = await open(t, { hosts })
    await bed.reload({ domains: { list: ['ws.test'] }, rate_limit: { requests_per_second: 5 } })
    client.socket.send('after')
    assert.equal((await peer.ear.next()).data, 'after')
    client.socket.terminate()
  })

  test('an entry that ends closes the connection by itself', async (t) => {
    const { bed, client } = await open(t, { hosts })
    await bed.reload({ domains: { list: [{ host: 'ws.test', expires: new Date(Date.now() + 100).toISOString() }] } })
    assert.equal((await client.ear.next()).code, 1008)
    const record = await bed.record(() => true)
    assert.deepEqual([record.code, record.decision], ['domain_expired', 'blocked'])
  })

  test('an entry for GET covers the messages, and one for POST not even the handshake', async (t) => {
    const { client, peer } = await open(t, {
      hosts,
      config: { domains: { list: [{ host: 'ws.test', methods: ['GET'], paths: ['/ws'] }] } },
    })
    client.socket.send('hi')
    assert.equal((await peer.ear.next()).data, 'hi')
    client.socket.terminate()
    const bed = await startBed(t, { hosts, config: { domains: { list: [{ host: 'ws.test', methods: ['POST'] }] } } })
    const { response } = await openRaw(bed, 'ws.test')
    assert.equal(response.status, 403)
  })

  test('a bound that is lowered counts for the next message', async (t) => {
    const { bed, client, peer } = await open(t, { hosts })
    client.socket.send('x'.repeat(100))
    await peer.ear.next()
    await bed.reload({ max_request_body: 10 })
    client.socket.send('x'.repeat(100))
    assert.equal((await client.ear.next()).code, 1009)
    assert.equal((await bed.record(() => true)).reason, 'websocket: body too large: 100 > 10')
  })

  test('without an audit log no message passes', async (t) => {
    const { bed, client, peer } = await open(t, { hosts })
    client.socket.send('recorded')
    await peer.ear.next()
    bed.audit.isBroken = true
    client.socket.send('not recorded')
    assert.equal((await client.ear.next()).kind, 'close')
    assert.equal((await peer.ear.next()).kind, 'close')
    bed.audit.isBroken = false
  })
})

describe('secrets', () => {
  test('a placeholder in a message to another host ends the connection before it leaves', async (t) => {
    const { bed, client, peer } = await open(t, withSecret, 'other.test')
    client.socket.send(`{"key": "${PLACEHOLDER}"}`)
    assert.match((await client.ear.next()).data, /^agentcage placeholder_misdirected /)
    assert.equal((await peer.ear.next()).kind, 'close')
    const record = await bed.record(() => true)
    assert.equal(record.reason, 'websocket: placeholder KEY sent to unauthorized domain other.test')
    assert.deepEqual([record.decision, record.code, record.bytes_out], ['blocked', 'placeholder_misdirected', 0])
  })

  test('a live secret in a message to another host, in fragments', async (t) => {
    const { bed, client, peer } = await open(t, withSecret, 'other.test')
    client.socket.send(VALUE.slice(0, 5), { fin: false })
    client.socket.send(VALUE.slice(5), { fin: true })
    assert.equal((await client.ear.next()).code, 1008)
    assert.equal((await peer.ear.next()).kind, 'close')
    const record = await bed.record(() => true)
    assert.equal(record.code, 'secret_literal')
    assert.ok(!JSON.stringify(record).includes(VALUE))
  })

  test('a live secret in a message back is a placeholder in the cage', async (t) => {
    const { bed, client, peer } = await open(t, withSecret)
    peer.socket.send(`your key is ${VALUE}`)
    peer.socket.send(VALUE.slice(0, 9), { fin: false })
    peer.socket.send(VALUE.slice(9), { fin: true })
    assert.equal((await client.ear.next()).data, `your key is ${PLACEHOLDER}`)
    assert.equal((await client.ear.next()).data, PLACEHOLDER)
    client.socket.close()
    const record = await bed.record(() => true)
    assert.deepEqual([record.secrets_redacted, record.decision], [['KEY'], 'allowed'])
  })

  test('a live secret in control frames back is a placeholder, or left out where there is no room', async (t) => {
    const { client, peer } = await open(t, withSecret)
    peer.socket.ping(`p ${VALUE}`)
    peer.socket.pong(`q ${VALUE}`)
    assert.deepEqual(await client.ear.next(), { kind: 'ping', data: `p ${PLACEHOLDER}` })
    assert.deepEqual(await client.ear.next(), { kind: 'pong', data: `q ${PLACEHOLDER}` })
    peer.socket.close(4001, `${'x'.repeat(80)}${VALUE}`)
    const closed = await client.ear.next()
    assert.deepEqual([closed.kind, closed.code, closed.data], ['close', 4001, ''])
  })

  for (const kind of ['ping', 'pong'] as const) {
    test(`a placeholder in a ${kind} to another host ends the connection before it leaves`, async (t) => {
      const { bed, client, peer } = await open(t, withSecret, 'other.test')
      client.socket[kind](PLACEHOLDER)
      assert.match((await client.ear.next()).data, /^agentcage placeholder_misdirected /)
      assert.equal((await peer.ear.next()).kind, 'close')
      assert.equal((await bed.record(() => true)).bytes_out, 0)
    })
  }

  test('a byte range is not asked for with a handshake that carries a secret', async (t) => {
    const bed = await startBed(t, withSecret)
    const server = playWebSocket(bed.server('ws.test').server)
    const fields = `Authorization: Bearer ${PLACEHOLDER}\r\nRange: bytes=0-3\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n`
    const { socket } = await openRaw(bed, 'ws.test', fields)
    assert.equal((await server.next()).request.headers.range, undefined)
    socket.destroy()
  })

  test('a placeholder in the handshake becomes the value upstream, and not in the audit', async (t) => {
    const bed = await startBed(t, withSecret)
    const server = playWebSocket(bed.server('ws.test').server, { headers: [`X-Echo: ${VALUE}`] })
    const fields = `Authorization: Bearer ${PLACEHOLDER}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n`
    const { response, socket } = await openRaw(bed, 'ws.test', fields)
    const { request } = await server.next()
    assert.equal(request.headers.authorization, `Bearer ${VALUE}`)
    assert.ok(response.rawHeaders.includes(PLACEHOLDER))
    assert.ok(!response.rawHeaders.some((text) => text.includes(VALUE)))
    socket.destroy()
    const record = await bed.record(() => true)
    assert.deepEqual([record.secrets_injected, record.secrets_redacted], [['KEY'], ['KEY']])
  })

  for (const [injectBody, arrives, noted] of [
    [true, VALUE, 'secrets_injected'],
    [false, PLACEHOLDER, 'secrets_not_injected'],
  ] as const) {
    test(`a placeholder in a message, inject_body ${injectBody}`, async (t) => {
      const rule = { env: 'KEY', placeholder: PLACEHOLDER, inject_to: ['http://ws.test'], inject_body: injectBody }
      const { bed, client, peer } = await open(t, { ...withSecret, config: { secret_injection: [rule] } })
      client.socket.send(`{"key":"${PLACEHOLDER}"}`)
      assert.equal((await peer.ear.next()).data, `{"key":"${arrives}"}`)
      client.socket.send(Buffer.from(PLACEHOLDER))
      assert.equal((await peer.ear.next()).data, arrives)
      client.socket.terminate()
      assert.deepEqual((await bed.record(() => true))[noted], ['KEY'])
    })
  }

  test('a placeholder in the handshake to another host is denied', async (t) => {
    const bed = await startBed(t, withSecret)
    const fields = `X-Key: ${PLACEHOLDER}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n`
    const { response } = await openRaw(bed, 'other.test', fields)
    bed.denied(response, { status: 403, code: 'placeholder_misdirected', host: 'other.test' })
    bed.nothingLeft()
  })

  test('a secret that comes by a reload is kept from the next message', async (t) => {
    const { bed, client, peer } = await open(t, { ...withSecret, config: {} }, 'other.test')
    client.socket.send(VALUE)
    assert.equal((await peer.ear.next()).data, VALUE)
    await bed.reload({ secret_injection: [{ env: 'KEY', placeholder: PLACEHOLDER, inject_to: ['http://ws.test'] }] })
    client.socket.send(VALUE)
    assert.equal((await client.ear.next()).code, 1008)
  })
})
