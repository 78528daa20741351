/**
 * What the workload does not read takes memory, and so does what it asks without waiting: each exchange has a share of
 * the budget until its answer was taken, so that streams by the thousand meet a bound. The share comes back with the end.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type ClientHttp2Session } from 'node:http2'
import { test } from 'node:test'
import { UNREAD_BYTES } from '../../../src/egress/http/body.ts'
import { connectTunnel, get, tlsOver } from '../../support/proxy-client.ts'
import { startBed, type Bed, type BedOptions } from '../bed.ts'

const STREAMS = 120
const SHARE = 32 * 1024
const BUDGET = 128 * 1024 * 1024

/** A session whose streams have no window: not one byte of a body can be sent to it. */
async function deafSession(bed: Bed): Promise<ClientHttp2Session> {
  const secure = await tlsOver(await connectTunnel(bed.proxy, 'api.test:443'), {
    ca: bed.ca,
    servername: 'api.test',
    alpn: ['h2'],
  })
  const session = connect('https://api.test', { createConnection: () => secure, settings: { initialWindowSize: 0 } })
  session.on('error', () => {})
  await once(session, 'connect')
  return session
}

/** Asks on more streams than there are shares, until one is refused. Returns how to end them. */
async function askTooMuch(bed: Bed): Promise<() => void> {
  const sessions: ClientHttp2Session[] = []
  while (sessions.length * STREAMS * SHARE <= BUDGET) {
    const session = await deafSession(bed)
    sessions.push(session)
    for (let count = 0; count < STREAMS; count++) session.request({ ':path': `/${count}` }).on('error', () => {})
  }
  const record = await bed.record(({ code }) => code === 'overloaded')
  assert.deepEqual([record.decision, record.status], ['blocked', 503])
  return () => sessions.forEach((session) => session.destroy())
}

const unread: Readonly<Record<string, BedOptions>> = {
  'answers that never come': { hosts: { 'api.test': () => {} } },
  'answers that are never read': {
    hosts: { 'api.test': (_request, response) => void response.end('x'.repeat(1000)) },
    config: { secret_injection: [{ env: 'KEY', inject_to: ['api.test'] }] },
    secrets: { KEY: 'a-real-value-of-a-key' },
  },
}
for (const [what, options] of Object.entries(unread)) {
  test(`${what} are bounded together, and free when the workload is gone`, async (t) => {
    const open = { 'open.test': {} }
    const bed = await startBed(t, { ...options, hosts: { ...options.hosts, ...open } })
    const end = await askTooMuch(bed)
    bed.denied(await get('https://open.test/', bed), { status: 503, code: 'overloaded', host: 'open.test' })
    end()
    for (;;) if ((await get('https://open.test/', bed)).status === 200) return
  })
}

test('bodies that are begun have a share of what may come of them before they are read', async (t) => {
  const bed = await startBed(t, { hosts: { 'api.test': {} } })
  const sessions = [await deafSession(bed), await deafSession(bed)]
  assert.equal(sessions[0]?.remoteSettings.initialWindowSize, UNREAD_BYTES)
  const begin = { ':path': '/', ':method': 'POST' }
  // With their length they count for that alone.
  for (const session of sessions)
    for (let count = 0; count < 40; count++) session.request({ ...begin, 'content-length': '9' }).on('error', () => {})
  assert.equal((await get('https://api.test/', bed)).status, 200)
  for (const session of sessions) for (let count = 0; count < 70; count++) session.request(begin).on('error', () => {})
  assert.equal((await bed.record(({ code }) => code === 'overloaded')).status, 503)
  for (const session of sessions) session.destroy()
  for (;;) if ((await get('https://api.test/', bed)).status === 200) return
})
