/**
 * Where the workload may go. A host matches an entry when it is the entry's host or below it; an entry's conditions
 * (ports, methods, paths, expires) must hold too. Without a policy nothing is allowed; a path in disguise is covered
 * by no allowlist entry and by every blocklist entry.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { configSchema } from '../../src/config/schema.ts'
import { DomainPolicy, type DomainDecision } from '../../src/policy/domains.ts'
import { parseHostname, type Hostname } from '../../src/policy/host.ts'

const NOW = new Date('2026-06-01T12:00:00Z')

interface Asked {
  readonly port?: number
  readonly method?: string
  readonly path?: string
  readonly now?: Date
}

describe('without a policy', () => {
  test('nothing is reachable, and the reason says why', () => {
    assert.deepEqual(decide(new DomainPolicy(undefined), 'api.test'), {
      kind: 'deny',
      code: 'no_policy',
      reason: 'no domain allowlist configured (default-deny): api.test',
    })
    assert.equal(new DomainPolicy(undefined).knows(host('api.test'), NOW), false)
  })

  test('an empty allowlist allows nothing, an empty blocklist everything', () => {
    assert.equal(isAllowed(allowlist([]), 'api.test'), false)
    assert.equal(isAllowed(blocklist([]), 'api.test'), true)
  })
})

describe('an allowlist', () => {
  const policy = allowlist(['api.test', 'b.c.test', '10.0.0.1', '::1'])

  for (const name of ['api.test', 'sub.api.test', 'a.b.api.test', 'b.c.test', '10.0.0.1', '::1']) {
    test(`lets ${name} through`, () => assert.equal(isAllowed(policy, name), true))
  }

  for (const name of [
    'test',
    'pi.test',
    'xapi.test',
    'x-api.test',
    'api.test.evil.test',
    'c.test',
    'a.c.test',
    '10.0.0.2',
    '::2',
  ]) {
    test(`stops ${name}`, () => {
      assert.deepEqual(decide(policy, name), {
        kind: 'deny',
        code: 'domain_denied',
        reason: `domain not in allowlist: ${name}`,
      })
      assert.equal(policy.knows(host(name), NOW), false)
    })
  }

  test('matching is equality of the last labels, whatever the names', () => {
    const labels = fc.array(fc.constantFrom('a', 'b', 'ab', 'ba', 'test'), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(labels, fc.array(labels, { maxLength: 4 }), (name, entries) => {
        const listed = allowlist(entries.map((entry) => entry.join('.')))
        const expected = entries.some((entry) => name.slice(-entry.length).join('.') === entry.join('.'))
        assert.equal(isAllowed(listed, name.join('.')), expected)
        assert.equal(listed.knows(host(name.join('.')), NOW), expected)
        assert.equal(isAllowed(blocklist(entries.map((entry) => entry.join('.'))), name.join('.')), !expected)
      }),
    )
  })

  test('any of several entries for a host is enough', () => {
    const several = allowlist([
      { host: 'api.test', methods: ['GET'] },
      { host: 'api.test', paths: ['/v1'], methods: ['POST'] },
    ])
    assert.equal(isAllowed(several, 'api.test', { method: 'GET', path: '/any' }), true)
    assert.equal(isAllowed(several, 'api.test', { method: 'POST', path: '/v1/x' }), true)
    assert.equal(isAllowed(several, 'api.test', { method: 'POST', path: '/v2' }), false)
    assert.equal(isAllowed(several, 'api.test', { method: 'DELETE', path: '/v1' }), false)
  })

  test('an entry of the parent is enough where that of the subdomain is not', () => {
    const both = allowlist(['api.test', { host: 'sub.api.test', methods: ['GET'] }])
    assert.equal(isAllowed(both, 'sub.api.test', { method: 'POST' }), true)
  })
})

describe('a blocklist', () => {
  const policy = blocklist(['evil.test', { host: 'mixed.test', paths: ['/upload'], methods: ['POST'] }])

  test('stops what is listed and its subdomains, and lets the rest through', () => {
    assert.deepEqual(decide(policy, 'a.evil.test'), {
      kind: 'deny',
      code: 'domain_denied',
      reason: 'domain in blocklist: a.evil.test',
    })
    assert.equal(isAllowed(policy, 'notevil.test'), true)
    assert.deepEqual(
      ['a.evil.test', 'notevil.test', 'mixed.test'].map((name) => policy.knows(host(name), NOW)),
      [false, true, true],
    )
  })

  test('conditions narrow it, and a path in disguise counts as listed', () => {
    const asked = (method: string, path: string) => isAllowed(policy, 'mixed.test', { method, path })
    assert.deepEqual(
      [asked('POST', '/other'), asked('GET', '/upload'), asked('POST', '/upload'), asked('POST', '/upload/x?y')],
      [true, true, false, false],
    )
    for (const path of [
      '/x/../upload',
      '/%2e%2e/upload',
      '/x%2f..%2fupload',
      '//upload',
      '/x;y/upload',
      '/x\\upload',
      '/%75pload%00',
      '/%75pload',
      '/%55PLOAD/x',
      '/Upload',
      '/upload%20',
      '/upload./x',
      '/%c0%afupload',
      '/%EF%BC%8Fupload',
    ]) {
      assert.equal(asked('POST', path), false, path)
    }
    assert.equal(asked('post', '/upload'), false)
    assert.equal(asked('POST', '/%75ploads'), true)
  })

  test('an entry that has ended blocks no more', () => {
    const ended = blocklist([{ host: 'evil.test', expires: '2026-06-01T12:00:00Z' }])
    assert.equal(isAllowed(ended, 'evil.test'), true)
    assert.equal(isAllowed(ended, 'evil.test', { now: new Date(NOW.getTime() - 1) }), false)
  })
})

describe('ports', () => {
  const bad = [1, 21, 22, 23, 25, 53, 110, 143, 465, 587, 993, 2049, 6000, 6667, 10080]

  for (const port of bad) {
    test(`port ${port} is reached only by naming it`, () => {
      const denial = { kind: 'deny', code: 'domain_denied', reason: `port ${port} not allowed for api.test` }
      assert.deepEqual(decide(allowlist(['api.test']), 'api.test', { port }), denial)
      assert.deepEqual(decide(blocklist([]), 'api.test', { port }), denial)
      assert.equal(isAllowed(allowlist([{ host: 'api.test', ports: [port] }]), 'api.test', { port }), true)
    })
  }

  test('ordinary ports are open unless ports are named', () => {
    for (const port of [80, 443, 3000, 8080, 8443, 65535])
      assert.equal(isAllowed(allowlist(['api.test']), 'api.test', { port }), true)
    const policy = allowlist([{ host: 'api.test', ports: [8443] }])
    assert.equal(isAllowed(policy, 'api.test', { port: 8443 }), true)
    assert.deepEqual(decide(policy, 'api.test', { port: 443 }), {
      kind: 'deny',
      code: 'domain_denied',
      reason: 'port 443 not allowed for api.test',
    })
  })
})

describe('methods and paths', () => {
  test('a method that is not listed is named in the reason', () => {
    const policy = allowlist([{ host: 'api.test', methods: ['GET', 'HEAD'] }])
    assert.equal(isAllowed(policy, 'api.test', { method: 'HEAD' }), true)
    assert.deepEqual(decide(policy, 'api.test', { method: 'POST' }), {
      kind: 'deny',
      code: 'domain_denied',
      reason: 'method POST not allowed for api.test',
    })
    // Methods are case-sensitive (RFC 9110 section 9.1): `get` is not GET.
    assert.equal(isAllowed(policy, 'api.test', { method: 'get' }), false)
  })

  const covered = [
    '/v1',
    '/v1/',
    '/v1/x',
    '/v1?q=/../x',
    '/v1/x.y/..z',
    '/v1/%41',
    '/v1/a..b',
    '/v1/a.%20b',
    '/v1/caf%C3%A9',
    '/v1/%e5%b1%b1',
  ]
  const notCovered = [
    '/',
    '/v',
    '/v10',
    '/v1x',
    '/V1',
    '/v2/v1',
    '*',
    '/v1/..',
    '/v1/../admin',
    '/v1/./x',
    '/v1/%2e%2e/admin',
  ]
  const disguised = [
    '/v1/%2E%2E/admin',
    '/v1/.%2e/admin',
    '/v1%2fadmin',
    '/v1%5cadmin',
    '/v1\\..\\admin',
    '//v1',
    '/v1//x',
    '/v1/%252e%252e/x',
    '/v1/%u002e%u002e/x',
    '/v1/..%3b/x',
    '/v1/..%0a/x',
    '/v1/..%20/x',
    '/v1/.../x',
    '/v1/%c0%ae%c0%ae/x',
    '/v1/\xc0\xae\xc0\xae/x',
    '/v1/%ef%bc%8e%ef%bc%8e/x',
    '/v1/%E2%80%A4%E2%80%A4/x',
    '/v1/..%e2%88%95x',
    '/v1/%e2%84%80',
  ]
  const parameters = ['/v1/..;/admin', '/v1;a=b/x', '/v1/x%00', '/v1/%2f']

  const policy = allowlist([{ host: 'api.test', paths: ['/v1'] }])
  for (const path of covered) {
    test(`/v1 covers ${path}`, () => assert.equal(isAllowed(policy, 'api.test', { path }), true))
  }
  for (const path of [...notCovered, ...disguised, ...parameters]) {
    test(`/v1 does not cover ${path}`, () => {
      assert.deepEqual(decide(policy, 'api.test', { path }), {
        kind: 'deny',
        code: 'domain_denied',
        reason: 'path not allowed for api.test',
      })
    })
  }

  test('a prefix that ends in a slash covers what is below it', () => {
    const below = allowlist([{ host: 'api.test', paths: ['/v1/'] }])
    assert.deepEqual(
      ['/v1/', '/v1/x', '/v1', '/v10'].map((path) => isAllowed(below, 'api.test', { path })),
      [true, true, false, false],
    )
  })

  test('whatever a lenient server may resolve to a path outside is not covered', () => {
    const piece = fc.constantFrom('/', '..', '.', '%2e', '%2f', '\\', ';', 'v1', 'admin', '%5c', '%00', '%25')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const path = `/v1/${pieces.join('')}`
        if (!isAllowed(policy, 'api.test', { path })) return
        const lenient = path
          .replaceAll(/%[0-9a-f]{2}/gi, decodeURIComponent)
          .replaceAll('\\', '/')
          .replaceAll(/;[^/]*/g, '')
        assert.match(new URL(lenient, 'http://x').pathname, /^\/v1(?:\/|$)/)
      }),
    )
  })
})

describe('entries that end', () => {
  const policy = allowlist([
    'always.test',
    { host: 'api.test', expires: '2026-06-01T12:00:00Z' },
    { host: 'later.test', expires: '2026-07-01T00:00:00Z' },
  ])

  test('an entry holds until its time and not at it', () => {
    assert.equal(isAllowed(policy, 'api.test', { now: new Date(NOW.getTime() - 1) }), true)
    assert.deepEqual(decide(policy, 'x.api.test'), {
      kind: 'deny',
      code: 'domain_expired',
      reason: 'domain allowlist entry expired: api.test (was allowed until its TTL elapsed)',
    })
    assert.equal(policy.knows(host('api.test'), NOW), false)
  })

  test('the next end is told, and none when there is none', () => {
    assert.deepEqual(policy.nextExpiry(new Date('2026-01-01')), NOW)
    assert.deepEqual(policy.nextExpiry(NOW), new Date('2026-07-01T00:00:00Z'))
    assert.equal(policy.nextExpiry(new Date('2027-01-01')), undefined)
  })

  test('of hundreds of thousands of ends the next is told', () => {
    const rules = Array.from({ length: 300_000 }, (_, index) => ({
      host: `h${index}.test` as Hostname,
      expires: new Date(NOW.getTime() + 300_000 - index),
    }))
    const many = new DomainPolicy({ mode: 'allowlist', list: rules })
    assert.deepEqual(many.nextExpiry(NOW), new Date(NOW.getTime() + 1))
  })

  test('an unmet condition says more than an entry that has ended', () => {
    const both = allowlist([
      { host: 'api.test', expires: '2020-01-01T00:00:00Z' },
      { host: 'api.test', methods: ['GET'] },
    ])
    assert.equal(reasonOf(decide(both, 'api.test', { method: 'POST' })), 'method POST not allowed for api.test')
    assert.equal(isAllowed(both, 'api.test', { method: 'GET' }), true)
  })
})

function allowlist(list: readonly unknown[]): DomainPolicy {
  return policyOf({ mode: 'allowlist', list })
}

function blocklist(list: readonly unknown[]): DomainPolicy {
  return policyOf({ mode: 'blocklist', list })
}

function policyOf(domains: unknown): DomainPolicy {
  return new DomainPolicy(configSchema.parse({ domains }).domains)
}

function decide(policy: DomainPolicy, name: string, asked: Asked = {}): DomainDecision {
  const { port = 443, method = 'GET', path = '/', now = NOW } = asked
  return policy.decide({ host: host(name), port, method, path }, now)
}

function isAllowed(policy: DomainPolicy, name: string, asked: Asked = {}): boolean {
  return decide(policy, name, asked).kind === 'allow'
}

function reasonOf(decision: DomainDecision): string {
  return decision.kind === 'deny' ? decision.reason : ''
}

function host(text: string): Hostname {
  const parsed = parseHostname(text)
  assert.ok(parsed !== undefined, text)
  return parsed
}
