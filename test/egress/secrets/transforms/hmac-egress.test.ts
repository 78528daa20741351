/**
 * `hmac` through an egress: an API gets requests signed with the real key, whether the workload put the placeholder where
 * the signature belongs or signed with the placeholder as a key.
 */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { get } from '../../../support/proxy-client.ts'
import type { ArrivedRequest } from '../../../support/internet.ts'
import { startBed } from '../../bed.ts'

const KEY = 'the real signing key of the exchange'
const PLACEHOLDER = 'agentcage:secret:SIGNING_KEY:00112233445566778899aabbccddeeff'
const OTHER = 'agentcage:secret:OTHER_KEY:00112233445566778899aabbccddeeff'
const RULE = {
  env: 'SIGNING_KEY',
  placeholder: PLACEHOLDER,
  inject_to: ['api.test'],
  transform: 'hmac',
  transform_config: {
    header: 'X-Sign',
    algorithm: 'sha512',
    encoding: 'base64',
    message: '{timestamp}{method}{target}{header:X-Key}{body}',
    timestamp_header: 'X-Time',
    timestamp_unit: 'ms',
  },
}

/** What an exchange's documentation would say. */
function signatureOf(key: string, { time, account }: { readonly time: string; readonly account: string }): string {
  return createHmac('sha512', key).update(`${time}POST/orders?a=1${account}{"side":"buy"}`).digest('base64')
}

function fieldOf({ rawHeaders }: ArrivedRequest, name: string): string {
  return rawHeaders[rawHeaders.indexOf(name) + 1] ?? ''
}

test('requests are signed with the real key', async (t) => {
  const bed = await startBed(t, {
    hosts: { 'api.test': {}, 'other.test': {} },
    config: { secret_injection: [RULE, { env: 'OTHER_KEY', placeholder: OTHER, inject_to: ['api.test'] }] },
    secrets: { SIGNING_KEY: KEY, OTHER_KEY: 'the-real-account' },
  })
  const { proxy, ca } = bed
  const post = (headers: Readonly<Record<string, string>>, host = 'api.test'): ReturnType<typeof get> =>
    get(`https://${host}/orders?a=1`, { proxy, ca, method: 'POST', headers, body: '{"side":"buy"}' })
  const arrived = bed.server('api.test').requests

  const filled = await post({ 'X-Key': 'account', 'X-Sign': `v1=${PLACEHOLDER}` })
  assert.equal(filled.status, 200, filled.body.toString())
  const [first] = arrived
  assert.ok(first !== undefined)
  const time = fieldOf(first, 'X-Time')
  assert.match(time, /^\d{13}$/)
  const made = signatureOf(KEY, { time, account: 'account' })
  assert.equal(fieldOf(first, 'X-Sign'), `v1=${made}`)
  assert.ok(!filled.body.includes(made) && filled.body.includes(`v1=${PLACEHOLDER}`), 'the echo has no signature')

  const now = String(Date.now())
  const byClient = signatureOf(PLACEHOLDER, { time: now, account: OTHER })
  const signed = await post({ 'X-Time': now, 'X-Key': OTHER, 'X-Sign': byClient })
  assert.equal(signed.status, 200, signed.body.toString())
  const [, second] = arrived
  assert.ok(second !== undefined)
  assert.equal(fieldOf(second, 'X-Key'), 'the-real-account')
  const remade = signatureOf(KEY, { time: now, account: 'the-real-account' })
  assert.equal(fieldOf(second, 'X-Sign'), remade)
  assert.ok(!signed.body.includes(remade) && signed.body.includes(byClient), "the echo has the client's own")
  assert.deepEqual(bed.records[1]?.secrets_redacted?.toSorted(), ['OTHER_KEY', 'SIGNING_KEY'])
  assert.deepEqual(
    bed.records.map(({ secrets_injected: names }) => names),
    [['SIGNING_KEY'], ['OTHER_KEY', 'SIGNING_KEY']],
  )

  const old = String(Date.now() - 600_000)
  for (const [headers, reason] of [
    [{ 'X-Key': 'account', 'X-Sign': 'deadbeef' }, /neither the placeholder nor the signature/],
    [{ 'X-Sign': PLACEHOLDER }, /exactly one header x-key/],
    [{ 'X-Key': 'account', 'X-Time': old, 'X-Sign': PLACEHOLDER }, /X-Time is not now/],
  ] as const) {
    const answer = await post(headers)
    assert.match(bed.denied(answer, { status: 403, code: 'secret_unusable', host: 'api.test' }).reason, reason)
  }
  for (const host of ['api.test', 'other.test'])
    bed.denied(await post({ 'X-Key': KEY }, host), { status: 403, code: 'secret_literal', host })
  const misdirected = await post({ 'X-Sign': PLACEHOLDER }, 'other.test')
  bed.denied(misdirected, { status: 403, code: 'placeholder_misdirected', host: 'other.test' })
  assert.equal((await post({ 'X-Key': 'account' })).status, 200, 'a request without the header is not signed')
  assert.equal(arrived.length, 3)
  assert.ok(!JSON.stringify(bed.records).includes(KEY))
})

test('a key that is not written as the rule says stops the start', async (t) => {
  const config = {
    secret_injection: [{ ...RULE, transform_config: { ...RULE.transform_config, key_encoding: 'hex' } }],
  }
  await assert.rejects(startBed(t, { config, secrets: { SIGNING_KEY: KEY } }), {
    code: 'secret_invalid',
    message: 'the value of secret SIGNING_KEY is not a key in hex',
  })
})
