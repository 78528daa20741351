/**
 * Rules by method and path hold for all that a server may take a request for. Frameworks read another method or another
 * path from fields of the request or its query; such a one is judged as if it were the request line, and contradictions are
 * refused.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { configSchema } from '../../../src/config/schema.ts'
import { domainInspector } from '../../../src/egress/inspect/domain.ts'
import type { HeadContext, Verdict } from '../../../src/egress/inspect/inspector.ts'
import { DomainPolicy } from '../../../src/policy/domains.ts'
import { parseHostname, type Hostname } from '../../../src/policy/host.ts'

function judge(domains: object, headers: readonly string[], asked: Partial<HeadContext> = {}): Verdict {
  const policy = new DomainPolicy(configSchema.parse({ domains }).domains)
  const inspector = domainInspector(policy, () => new Date())
  return inspector.inspectHead?.({
    direction: 'outbound',
    protocol: 'http/1.1',
    method: 'GET',
    url: 'https://api.test/v1',
    host: parseHostname('api.test') as Hostname,
    port: 443,
    path: '/v1',
    contentType: '',
    priorResults: [],
    headers,
    ...asked,
  }) as Verdict
}

describe('an allowlist', () => {
  const narrow = { mode: 'allowlist', list: [{ host: 'api.test', methods: ['GET', 'POST'], paths: ['/v1'] }] }
  for (const [name, value] of [
    ['X-HTTP-Method-Override', 'DELETE'],
    ['x-http-method', ' delete '],
    ['X-Method-Override', 'PATCH'],
    ['X-Original-URL', '/admin'],
    ['X-Original-URI', '/v1/../admin'],
    ['X-Rewrite-URL', 'https://api.test/v1'],
    ['X-Rewrite-URL', ''],
  ] as const) {
    test(`${name}: ${value}`, () => assert.equal(judge(narrow, ['Accept', '*/*', name, value]).kind, 'block'))
  }

  for (const path of [
    '/v1?_method=DELETE',
    '/v1?a=b&_METHOD=delete',
    '/v1?a=b;_method=DELETE',
    '/v1?%5fmethod=%44ELETE',
    '/v1?+.method=+DELETE+',
    '/v1?_method%00x=DELETE',
    '/v1?x-http-method-override=DELETE',
  ])
    test(`the query says another method: ${path}`, () => {
      assert.equal(judge(narrow, [], { method: 'POST', path }).kind, 'block')
      assert.equal(judge(narrow, ['X-Original-URL', path], { method: 'POST' }).kind, 'block')
    })

  test('a query that says a method of the rule passes, and so does one that says none', () => {
    for (const path of [
      '/v1?_method=post',
      '/v1?_method',
      '/v1?_method=',
      '/v1?my_method=DELETE',
      '/v1?q=_method=DELETE',
    ])
      assert.equal(judge(narrow, [], { path }).kind, 'pass', path)
  })

  test('a field that says what the rule allows passes, and any does where nothing is narrowed', () => {
    assert.equal(judge(narrow, ['X-HTTP-Method-Override', 'POST', 'X-Original-URL', '/v1/x?y']).kind, 'pass')
    const wide = { mode: 'allowlist', list: ['api.test'] }
    assert.equal(judge(wide, ['X-HTTP-Method-Override', 'DELETE', 'X-Original-URL', '/admin']).kind, 'pass')
  })

  test('fields that contradict each other are refused, however many there are', () => {
    const flood = Array.from({ length: 5000 }, (_, index) => ['X-Original-URL', `/v1/${index}`]).flat()
    const verdict = judge(narrow, [...flood, 'X-HTTP-Method', 'GET', 'X-Method-Override', 'POST'])
    assert.equal(verdict.kind === 'block' && verdict.code, 'bad_request')
    const mixed = judge(narrow, ['X-HTTP-Method', 'GET'], { path: '/v1?_method=POST' })
    assert.equal(mixed.kind === 'block' && mixed.code, 'bad_request')
  })
})

test('a blocklist stops what a field says as well', () => {
  const list = {
    mode: 'blocklist',
    list: [
      { host: 'api.test', methods: ['DELETE'] },
      { host: 'api.test', paths: ['/a'] },
    ],
  }
  assert.equal(judge(list, ['X-HTTP-Method-Override', 'DELETE'], { method: 'POST' }).kind, 'block')
  assert.equal(judge(list, ['X-Original-URL', '/%61/x']).kind, 'block')
  assert.equal(judge(list, ['X-HTTP-Method-Override', 'PUT', 'X-Original-URL', '/b']).kind, 'pass')
})
