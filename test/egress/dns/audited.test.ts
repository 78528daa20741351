/**
 * The workload's DNS is told by the inspectors of now, and recorded as the configuration says: queries when
 * `logging.dns_queries` is on, what is malformed or what an inspector found in a name always. A query that has to be recorded and cannot be is not answered
 * with an address.
 */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { startBed, type Bed, type BedOptions } from '../bed.ts'
import { addressesIn, askOverUdp, udpClient } from '../listen/dns-client.ts'
import { rawQuery, wireName } from './oracle.ts'

const api = rawQuery({ name: wireName('api', 'test') })
const evil = rawQuery({ name: wireName('secret', 'evil', 'test') })

async function open(t: TestContext, config: BedOptions['config'] = {}) {
  const bed = await startBed(t, { dns: true, config: { domains: { list: ['api.test'] }, ...config } })
  return { bed, client: await udpClient(t, portOf(bed)) }
}

test('names on the list lead to the egress, others nowhere; a reload changes that', async (t) => {
  const { bed, client } = await open(t)
  assert.deepEqual(addressesIn(await askOverUdp(client, api)), ['127.0.0.1'])
  assert.deepEqual(addressesIn(await askOverUdp(client, evil)), ['198.51.100.1'])
  await bed.reload({ domains: { list: ['evil.test'] } })
  assert.deepEqual(addressesIn(await askOverUdp(client, api)), ['198.51.100.1'])
  assert.deepEqual(addressesIn(await askOverUdp(client, evil)), ['127.0.0.1'])
  assert.deepEqual(bed.records, [])
})

test('queries are recorded when the configuration says so, from the next one on', async (t) => {
  const { bed, client } = await open(t)
  await askOverUdp(client, api)
  await bed.reload({ logging: { dns_queries: true } })
  await askOverUdp(client, api)
  await askOverUdp(client, evil)
  assert.deepEqual(
    bed.records.map(({ protocol, method, host, port, decision, code }) => [
      protocol,
      method,
      host,
      port,
      decision,
      code,
    ]),
    [
      ['dns', 'A', 'api.test', 53, 'allowed', ''],
      ['dns', 'A', 'secret.evil.test', 53, 'blocked', 'domain_denied'],
    ],
  )
})

test('a credential in a name leads nowhere, and is recorded', async (t) => {
  const { bed, client } = await open(t)
  const name = wireName(['dapi', '3f9c01ab7d52e8846a1bc90f7e2d4c5b'].join(''), 'api', 'test')
  assert.deepEqual(addressesIn(await askOverUdp(client, rawQuery({ name }))), ['198.51.100.1'])
  const [record] = bed.records
  assert.deepEqual(
    [record?.protocol, record?.decision, record?.code, record?.reason, record?.inspectors?.[0]?.name],
    ['dns', 'blocked', 'inspector_blocked', 'secret detected: databricks_token', 'secrets'],
  )
})

test('data in names is flagged, and blocked past the budget', async (t) => {
  const { bed, client } = await open(t, { host_labels: { names_per_hour: 2 } })
  const data = '6d1f0c9ab2e84f7795c3d0e1a8b64f2299ee0a7c'
  const ask = async (label: string) =>
    addressesIn(await askOverUdp(client, rawQuery({ name: wireName(label, 'api', 'test') })))
  assert.deepEqual(await ask(`${data}1`), ['127.0.0.1'])
  assert.deepEqual(await ask(`${data}2`), ['127.0.0.1'])
  assert.deepEqual(await ask(`${data}2`), ['127.0.0.1'], 'a name that was asked before says nothing new')
  assert.deepEqual(await ask(`${data}3`), ['198.51.100.1'])
  assert.deepEqual(
    bed.records.map(({ decision, code }) => [decision, code]),
    [
      ['flagged', ''],
      ['flagged', ''],
      ['flagged', ''],
      ['blocked', 'budget_exceeded'],
    ],
  )
})

test('what is malformed is recorded in any case', async (t) => {
  const { bed, client } = await open(t)
  client.send(api.subarray(0, -3))
  const record = await bed.record(() => true)
  assert.deepEqual([record.protocol, record.decision, record.code], ['dns', 'blocked', 'bad_request'])
  assert.match(record.reason, /^malformed DNS message: /)
})

test('a query that cannot be recorded gets no address', async (t) => {
  const { bed, client } = await open(t, { logging: { dns_queries: true } })
  bed.audit.isBroken = true
  const failed = await askOverUdp(client, api)
  assert.deepEqual([failed.rcode, addressesIn(failed)], ['SERVFAIL', []])
  bed.audit.isBroken = false
  assert.deepEqual(addressesIn(await askOverUdp(client, api)), ['127.0.0.1'])
})

function portOf({ dns }: Bed): number {
  return Number(dns.slice(dns.lastIndexOf(':') + 1))
}
