/**
 * Where a secret may go: to hosts in `inject_to`, by https unless the entry says http, on the ports, with the methods and
 * to the paths that go with them.
 *
 * Without ports an entry means the scheme's own and those that the policy names for the host. What is missing is told,
 * and a placeholder or a value that may not go there is no better off than at another host.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SecretSet } from '../../../src/egress/secrets/secret-set.ts'
import { permissionFor } from '../../../src/egress/secrets/permission.ts'
import { DomainPolicy } from '../../../src/policy/domains.ts'
import type { Hostname } from '../../../src/policy/host.ts'
import { binding, misuse, PLACEHOLDER, request, VALUE } from './example.ts'

type Targets = NonNullable<Parameters<typeof binding>[0]['injectTo']>
type Parts = Parameters<typeof request>[1]

function permission(injectTo: Targets, to: string, parts: Parts = {}, namedPorts: readonly number[] = []): string {
  return permissionFor(binding({ injectTo }), request(to, parts), ({ port }) => namedPorts.includes(port))
}

const PLAIN = { host: 'api.test', scheme: 'http' }

test('attack: plain HTTP to a host that may have the secret, which a workload can ask for', () => {
  const everywhere = { scheme: 'http' } as const
  for (const port of ['80', '443', '8080']) {
    assert.equal(permission(['api.test'], `api.test:${port}`, everywhere, [8080]), 'unencrypted', port)
    assert.equal(permission(['*'], `api.test:${port}`, everywhere, [8080]), 'unencrypted', port)
    assert.equal(
      permission([{ host: 'api.test', ports: [80, 443, 8080] }], `api.test:${port}`, everywhere),
      'unencrypted',
    )
  }
  assert.equal(permission([PLAIN], 'api.test:8080', everywhere, [8080]), 'granted')
  assert.equal(permission([PLAIN], 'other.test:80', everywhere), 'denied')
})

test('an entry is for one scheme: what is meant for plain HTTP is not for another server behind TLS', () => {
  assert.equal(permission([PLAIN], 'api.test:443'), 'encrypted')
  assert.equal(permission([PLAIN, 'api.test'], 'api.test:443'), 'granted')
  assert.equal(permission([PLAIN, 'api.test'], 'api.test:80', { scheme: 'http' }), 'granted')
})

describe('ports', () => {
  test("without any, the scheme's own", () => {
    assert.equal(permission(['api.test'], 'api.test:443'), 'granted')
    assert.equal(permission([PLAIN], 'api.test:80', { scheme: 'http' }), 'granted')
    assert.equal(permission(['api.test'], 'api.test:80'), 'port')
    assert.equal(permission([PLAIN], 'api.test:443', { scheme: 'http' }), 'port')
    assert.equal(permission(['api.test'], 'api.test:8443'), 'port')
    assert.equal(permission(['*'], 'api.test:8443'), 'port')
  })

  test('and those that the policy names', () => {
    assert.equal(permission(['api.test'], 'api.test:8443', {}, [8443]), 'granted')
    assert.equal(permission(['*'], 'api.test:8443', {}, [8443]), 'granted')
    assert.equal(permission(['api.test'], 'api.test:8444', {}, [8443]), 'port')
  })

  test('an entry with ports means these and no others', () => {
    const injectTo = [{ host: 'api.test', ports: [8443] }]
    assert.equal(permission(injectTo, 'api.test:8443'), 'granted')
    assert.equal(permission(injectTo, 'api.test:443', {}, [443]), 'port')
  })

  test('the policy names a port for a host and what is below it, until the entry ends', () => {
    const ends = new Date('2026-01-01T00:00:00Z')
    const zone = 'api.test' as Hostname
    const policy = new DomainPolicy({ mode: 'allowlist', list: [{ host: zone, ports: [8443], expires: ends }] })
    const names = (host: string, port: number, now: Date): boolean =>
      policy.namesPort({ host: host as Hostname, port }, now)
    const before = new Date(ends.getTime() - 1)
    assert.deepEqual(
      [
        names('api.test', 8443, before),
        names('eu.api.test', 8443, before),
        names('api.test', 443, before),
        names('xapi.test', 8443, before),
        names('api.test', 8443, ends),
      ],
      [true, true, false, false, false],
    )
    const blocklist = new DomainPolicy({ mode: 'blocklist', list: [{ host: zone, ports: [8443] }] })
    assert.equal(blocklist.namesPort({ host: zone, port: 8443 }, before), false)
  })
})

test('methods and paths', () => {
  const injectTo = [{ host: 'api.test', methods: ['POST'], paths: ['/v1'] }]
  assert.equal(permission(injectTo, 'api.test', { method: 'POST', path: '/v1/messages?x' }), 'granted')
  assert.equal(permission(injectTo, 'api.test', { method: 'GET', path: '/v1' }), 'method')
  for (const path of ['/v10', '/', '/v1/../admin', '/v1/%2e%2e/admin', '/v1%2fadmin', '//v1', '*'])
    assert.equal(permission(injectTo, 'api.test', { method: 'POST', path }), 'path', path)
})

test('of several entries the nearest counts', () => {
  const injectTo = [
    { ...PLAIN, methods: ['POST'] },
    { ...PLAIN, ports: [8443] },
    { host: 'api.test', ports: [8443] },
    { host: '*' },
  ]
  assert.equal(permission(injectTo, 'api.test', { method: 'POST', scheme: 'http' }), 'granted')
  assert.equal(permission(injectTo, 'api.test:8443', { scheme: 'http' }), 'granted')
  assert.equal(permission(injectTo, 'api.test', { scheme: 'http' }), 'method')
  assert.equal(permission(injectTo, 'api.test'), 'granted')
  assert.equal(permission(injectTo, 'other.test', { scheme: 'http' }), 'unencrypted')
  assert.equal(permission([], 'api.test'), 'denied')
})

test('attack: a placeholder or a value at the right host, but not where it may go', () => {
  const injectTo = [{ host: 'api.test', ports: [443], methods: ['POST'], paths: ['/v1'] }]
  const secrets = new SecretSet([binding({ injectTo })])
  const cases: readonly (readonly [string, Parts, string])[] = [
    ['api.test:8443', { method: 'POST', path: '/v1' }, 'sent to unauthorized port 8443 of api.test'],
    ['api.test', { method: 'PUT', path: '/v1' }, 'sent with unauthorized method PUT to api.test'],
    ['api.test', { method: 'POST', path: '/paste' }, 'sent to unauthorized path of api.test'],
    ['api.test', { method: 'POST', path: '/v1', scheme: 'http' }, 'would leave unencrypted to api.test'],
  ]
  for (const [to, parts, reason] of cases) {
    for (const [kind, text] of [
      ['placeholder', PLACEHOLDER],
      ['value', VALUE],
    ] as const) {
      const outgoing = request(to, { ...parts, body: Buffer.from(text) })
      assert.deepEqual(misuse(secrets, outgoing), { kind, name: 'API_KEY', reason: `${kind} API_KEY ${reason}` })
      assert.deepEqual(secrets.inject(outgoing).injected, [])
    }
  }
})
