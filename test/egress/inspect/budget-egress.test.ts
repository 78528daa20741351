/**
 * Through a real egress: flags of the inspectors reach the audit log while the request passes, `action: block` refuses,
 * and what was counted outlives a reload of other sections.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { header } from '../../support/http-response.ts'
import { connectTunnel, rawRequest } from '../../support/proxy-client.ts'
import { startBed, type Bed } from '../bed.ts'
import { randomLike } from './entropy-traffic.ts'

const HOST = 'plain.test'
const hosts = { [HOST]: { kind: 'http' } } as const
const FLAGGED =
  'high entropy body: 7.96 (threshold 7.0); content-type mismatch: application/json declared but body entropy is 7.96 (expected <6.5)'

async function post(bed: Bed, body: Buffer, type = 'text/plain') {
  const socket = await connectTunnel(bed.proxy, `${HOST}:80`)
  const head = `POST / HTTP/1.1\r\nHost: ${HOST}\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`
  const response = await rawRequest(socket, head + body.toString('latin1'))
  socket.destroy()
  return response
}

test('a random body passes, flagged by both inspectors', async (t) => {
  const bed = await startBed(t, { hosts })
  assert.equal((await post(bed, randomLike(4000), 'application/json')).status, 200)
  const [record] = bed.records
  assert.equal(record?.decision, 'flagged')
  assert.equal(record?.reason, FLAGGED)
  assert.deepEqual(
    record?.inspectors?.map(({ name, action, severity }) => [name, action, severity]),
    [
      ['entropy', 'flag', 'warning'],
      ['content-type', 'flag', 'warning'],
    ],
  )
})

test('with action: block nothing leaves', async (t) => {
  const bed = await startBed(t, { hosts, config: { entropy: { action: 'block' } } })
  const reason = 'high entropy body: 7.96 (threshold 7.0)'
  bed.denied(await post(bed, randomLike(4000)), { status: 403, code: 'inspector_blocked', host: HOST, reason })
  bed.nothingLeft()
})

test('what is switched off says nothing', async (t) => {
  const bed = await startBed(t, { hosts, config: { entropy: false, content_type: false, host_labels: false } })
  assert.equal((await post(bed, randomLike(4000), 'application/json')).status, 200)
  assert.equal(bed.records[0]?.decision, 'allowed')
})

test('the budget is used up by what left, and a reload does not give it back', async (t) => {
  const budget = { per_host: { [HOST]: 3000 } }
  const bed = await startBed(t, { hosts, config: { budget } })
  const body = Buffer.from('some text '.repeat(200))
  assert.equal((await post(bed, body)).status, 200)
  await bed.reload({ budget, max_request_body: 5000 })
  const denied = await post(bed, body)
  const { reason } = bed.denied(denied, { status: 429, code: 'budget_exceeded', host: HOST })
  assert.match(reason, /^data budget exceeded: 4\d\d\d > 3000 bytes per hour to plain\.test$/)
  const retryAfter = Number(header(denied, 'Retry-After'))
  assert.ok(retryAfter > 3500 && retryAfter <= 3600)
  assert.equal((await post(bed, Buffer.from('little'))).status, 200)
  await bed.reload({ budget: { per_host: { [HOST]: 9000 } } })
  assert.equal((await post(bed, body)).status, 200)
})

test('different names below an entry are limited, across a reload too', async (t) => {
  const config = { domains: { list: ['test'] }, host_labels: { names_per_hour: 1 } }
  const bed = await startBed(t, { hosts: { [HOST]: { kind: 'http' }, 'other.test': { kind: 'http' } }, config })
  assert.equal((await post(bed, Buffer.from('x'))).status, 200)
  await bed.reload({ ...config, max_request_body: 5000 })
  const socket = await connectTunnel(bed.proxy, 'other.test:80')
  const denied = await rawRequest(socket, 'GET / HTTP/1.1\r\nHost: other.test\r\n\r\n')
  socket.destroy()
  const reason = 'host label budget exceeded: 2 > 1 names per hour under test'
  bed.denied(denied, { status: 429, code: 'budget_exceeded', host: 'other.test', reason })
})
