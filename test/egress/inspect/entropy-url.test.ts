/**
 * Random values in URLs are reported: of parameters, their names, segments of the path, and many short ones together.
 * `n` bytes have at most log2(n) bits, so values below 46 bytes never reach the threshold of 5.5.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { judge, randomLike, type Sent } from './entropy-traffic.ts'

const DATA = randomLike(300).toString('base64url')
const PERCENT = [...randomLike(200)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')

function get(path: string, sent: Sent = {}, entropy = {}): string {
  return judge({ method: 'GET', ...sent, path }, { entropy })
}

test('a parameter', () =>
  assert.match(get(`/?a=1&q=${DATA}`), /^high entropy URL param 'q': 5\.[89]\d \(threshold 5\.5\)$/))
test('percent-encoded bytes', () => assert.match(get(`/?q=${PERCENT}`), /^high entropy URL param 'q': [67]\.\d\d/))
test('a segment of the path', () =>
  assert.match(get(`/a/${DATA}/b`), /^high entropy URL path segment: 5\.[89]\d \(threshold 5\.5\)$/))
test('percent-encoded bytes in the path', () =>
  assert.match(get(`/${PERCENT}`), /^high entropy URL path segment: [67]\./))
test('a name', () => assert.match(get(`/?${DATA}=1`), /^high entropy URL param name: 5\./))
test('a query without names', () => assert.match(get(`/?${DATA}`), /^high entropy URL param name: 5\./))
test('a second question mark', () => assert.match(get(`/?x?y=${DATA}`), /^high entropy URL param 'x\?y'/))

test('data in many short parameters or segments', () => {
  const pieces = DATA.repeat(1).match(/.{1,20}/g) ?? []
  const more = [
    ...pieces,
    ...(randomLike(300, 'more')
      .toString('base64url')
      .match(/.{1,20}/g) ?? []),
  ]
  assert.match(
    get(`/?${more.map((piece, index) => `p${index}=${piece}`).join('&')}`),
    /^high entropy URL: 5\.\d\d \(threshold 5\.5\)$/,
  )
  assert.match(get(`/${more.join('/')}`), /^high entropy URL: 5\./)
})

test('values below the bound are not looked at', () => assert.equal(get(`/?q=${DATA.slice(0, 63)}`), ''))

test('each check can be switched off', () => {
  assert.equal(get(`/?q=${DATA}`, {}, { check_url_params: false }), '')
  assert.equal(get(`/${DATA}`, {}, { check_url_path: false }), '')
})

test('parameters may be random where the configuration says so, whatever their case', () => {
  const entropy = { host_url_param_allowlist: { 'Example.com': ['Token'] } }
  assert.equal(get(`/?token=${DATA}`, {}, entropy), '')
  assert.match(get(`/?other=${DATA}`, {}, entropy), /param 'other'/)
  assert.match(get(`/?token=${DATA}`, { host: 'example.org' }, entropy), /param 'token'/)
})

test('* switches every check of the URL off for a host', () => {
  assert.equal(get(`/${DATA}?q=${DATA}`, {}, { host_url_param_allowlist: { 'example.com': ['*'] } }), '')
})

test('signatures are known at their hosts, up to the length of signatures', () => {
  assert.equal(get(`/?Signature=${DATA}`, { host: 'd1.cloudfront.net' }), '')
  assert.match(get(`/?Signature=${DATA}`), /param 'Signature'/)
  assert.match(
    get(`/?Signature=${randomLike(2000).toString('base64url')}`, { host: 'd1.cloudfront.net' }),
    /param 'Signature'/,
  )
})

test('a name cannot forge the reason', () => {
  const reason = get(`/?${encodeURIComponent("a': 1\u0007\n")}${'x'.repeat(100)}=${DATA}`)
  assert.match(reason, /^high entropy URL param 'a\?: 1\?\?x{57}…': 5\.\d\d \(threshold 5\.5\)$/)
})

test('no path makes it throw', () => {
  fc.assert(fc.property(fc.string({ maxLength: 400 }), (path) => void get(`/${path}`)))
  for (const path of [
    '/%',
    '/%%%',
    `/?${'&'.repeat(9000)}`,
    `/${'/'.repeat(9000)}`,
    `/?${'='.repeat(200)}`,
    `/${'%zz'.repeat(100)}`,
  ])
    get(path)
})
