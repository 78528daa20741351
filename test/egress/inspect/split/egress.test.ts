/**
 * Through a real egress: the piece that makes a secret known is denied over HTTP/1.1, HTTP/2 and WebSocket, whichever
 * brought the others, a reload does not forget, and no record holds the value.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { get, http2Request, http2Session } from '../../../support/proxy-client.ts'
import { openWebSocket, playWebSocket } from '../../websocket/sockets.ts'
import { startBed, type Bed } from '../../bed.ts'
import { cut, TOKEN, VALUE } from './traffic.ts'

const hosts = { 'plain.test': { kind: 'http' }, 'other.test': {}, 'own.test': { kind: 'http' } } as const
const options = {
  hosts,
  config: { secret_injection: [{ env: 'KEY', inject_to: ['own.test'] }] },
  secrets: { KEY: VALUE },
} as const
const REASON = /^secret KEY sent in pieces: \d+ % of it within 3600 s$/

function ask(bed: Bed, piece: string) {
  return get(`http://plain.test/log?m=${piece}`, { proxy: bed.proxy })
}

test('a value that is known, by any protocol', async (t) => {
  const bed = await startBed(t, options)
  const server = playWebSocket(bed.server('plain.test').server)
  const [first = '', second = '', third = '', fourth = ''] = cut(VALUE, 8)
  assert.equal((await ask(bed, first)).status, 200)

  const session = await http2Session('https://other.test', { proxy: bed.proxy, ca: bed.ca })
  const answer = await http2Request(session, { ':path': '/', ':method': 'POST', 'x-part': second })
  assert.equal(answer.status, 200)
  session.close()

  const client = await openWebSocket(bed, 'ws://plain.test/ws')
  const peer = await server.next()
  client.socket.send(`{"part":"${third}"}`)
  const closed = await client.ear.next()
  assert.equal(closed.code, 1008)
  assert.equal((await peer.ear.next()).kind, 'close')
  const record = await bed.record(({ protocol }) => protocol === 'websocket')
  assert.match(record.reason, /^websocket: secret KEY sent in pieces/)

  const denied = await ask(bed, fourth)
  const { reason } = bed.denied(denied, { status: 403, code: 'secret_literal', host: 'plain.test' })
  assert.match(reason, REASON)
  assert.ok(!JSON.stringify(bed.records).includes(VALUE))
})

test('a credential of a known kind, over a reload', async (t) => {
  const bed = await startBed(t, options)
  const pieces = cut(TOKEN, 5)
  for (const piece of pieces.slice(0, -2)) assert.equal((await ask(bed, piece)).status, 200)
  await bed.reload({ max_request_body: 5000 })
  const reason = 'secret detected in pieces: github_token (query m)'
  const statuses: number[] = []
  for (const piece of pieces.slice(-2)) statuses.push((await ask(bed, piece)).status)
  assert.equal(statuses.at(-1), 403)
  const expected = { status: 403, code: 'inspector_blocked', host: 'plain.test', reason } as const
  bed.denied(await ask(bed, pieces.at(-1) ?? ''), expected)
  await bed.reload({ split: false })
  assert.equal((await ask(bed, pieces.at(-1) ?? '')).status, 200)
})

test('values that extra_patterns name', async (t) => {
  process.env['SPLIT_TEST_VALUE'] = VALUE
  t.after(() => delete process.env['SPLIT_TEST_VALUE'])
  const secrets = { extra_patterns: [{ name: 'internal', env: 'SPLIT_TEST_VALUE' }] }
  const bed = await startBed(t, { hosts, config: { secrets } })
  const responses = []
  for (const piece of cut(VALUE, 8)) responses.push(await ask(bed, piece))
  assert.equal(responses[0]?.status, 200)
  const last = responses.at(-1)
  assert.ok(last !== undefined)
  const { reason } = bed.denied(last, { status: 403, code: 'secret_literal', host: 'plain.test' })
  assert.match(reason, /^secret internal sent in pieces/)
})
