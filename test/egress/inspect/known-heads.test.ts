/**
 * What was found out about a head is kept for when it comes again, and is the same as if it came for the first time:
 * whatever came before it, wherever it goes, and after a value came to be secret.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { InspectorChain } from '../../../src/egress/inspect/chain.ts'
import { KnownHeads } from '../../../src/egress/inspect/decode/known-heads.ts'
import type { InspectionContext } from '../../../src/egress/inspect/inspector.ts'
import { secretsInspector } from '../../../src/egress/inspect/secrets.ts'
import { misuseInspector } from '../../../src/egress/secrets/misuse-inspector.ts'
import { SecretSet } from '../../../src/egress/secrets/secret-set.ts'
import type { Hostname } from '../../../src/policy/host.ts'
import type { Placeholder } from '../../../src/secrets/placeholders.ts'
import { Secret } from '../../../src/secrets/secret.ts'
import { binding, PLACEHOLDER, VALUE } from '../secrets/example.ts'
import { DEFAULT_DECODING } from './default-decoding.ts'

const NOTHING = Buffer.alloc(0)
const KEY = `AK${'IA'}QXMZKRPVTWNBHJ27`

const TEXTS = [
  'x',
  'application/json',
  PLACEHOLDER,
  Buffer.from(PLACEHOLDER).toString('base64'),
  encodeURIComponent(VALUE),
  Buffer.from(VALUE).toString('hex'),
  KEY,
  Buffer.from(`key ${KEY} key`).toString('base64url'),
]

const head = fc.record({
  host: fc.constantFrom('api.test' as Hostname, 'other.test' as Hostname),
  path: fc.constantFrom('/', '/v1', `/v1?q=${KEY}`, `/${encodeURIComponent(PLACEHOLDER)}`),
  method: fc.constantFrom('GET', 'POST'),
  headers: fc
    .array(
      fc.tuple(
        fc.constantFrom('Accept', 'X-Api-Key', 'Content-Length', 'content-length'),
        fc.constantFrom(...TEXTS, '0', '12'),
      ),
      {
        maxLength: 3,
      },
    )
    .map((fields) => fields.flat()),
})

function contextOf(parts: Pick<InspectionContext, 'host' | 'path' | 'headers' | 'method'>): InspectionContext {
  const rest = {
    direction: 'outbound',
    protocol: 'http/1.1',
    port: 443,
    contentType: '',
    priorResults: [],
    body: NOTHING,
  } as const
  return { ...rest, ...parts, url: `https://${parts.host}${parts.path}` }
}

function chainFor(secrets: SecretSet): InspectorChain {
  const options = {
    action: 'block',
    undecodable: 'block',
    decoding: DEFAULT_DECODING,
    builtinAllow: true,
    allow: new Map(),
    extra: [],
  } as const
  return new InspectorChain([misuseInspector(secrets, DEFAULT_DECODING), secretsInspector({ ...options, exempt: [] })])
}

test('a head that comes again is judged as for the first time', async () => {
  const secrets = new SecretSet([binding({})])
  await fc.assert(
    fc.asyncProperty(
      fc.array(head, { minLength: 1, maxLength: 3 }),
      fc.array(fc.nat(2), { maxLength: 8 }),
      async (heads, order) => {
        const known = chainFor(secrets)
        for (const index of [...order, ...order]) {
          const context = contextOf(heads[index % heads.length] as (typeof heads)[number])
          assert.deepEqual(await known.inspectRequest(context), await chainFor(secrets).inspectRequest(context))
        }
      },
    ),
    { numRuns: 150 },
  )
})

test('what stands in a known head is found once it is secret', async () => {
  const secrets = new SecretSet([binding({})])
  const chain = chainFor(secrets)
  const context = contextOf({
    host: 'other.test' as Hostname,
    path: '/',
    method: 'GET',
    headers: ['X-It', 'a-token-that-is-minted'],
  })
  for (let times = 0; times < 2; times += 1) assert.equal((await chain.inspectRequest(context)).denial, undefined)
  const value = new Secret('MINTED', 'a-token-that-is-minted')
  secrets.protect({
    name: 'MINTED',
    placeholder: PLACEHOLDER.replace('API_KEY', 'MINTED') as Placeholder,
    value,
    injectTo: [],
  })
  assert.equal((await chain.inspectRequest(context)).denial?.code, 'secret_literal')
})

test('only heads that are the same share views, but for the length of their body', () => {
  const known = new KnownHeads()
  const views = known.viewsOf('a.test', '/', ['A', 'b', 'Content-Length', '1'])
  assert.equal(known.viewsOf('a.test', '/', ['A', 'b', 'Content-Length', '20']), views)
  assert.deepEqual(
    views.map(({ bytes }) => String(bytes)),
    ['/', 'a.test', 'A\0b'],
  )
  for (const headers of [
    ['A', 'c', 'Content-Length', '1'],
    ['A', 'b', 'Content-Length', '1x'],
    ['A', 'b', 'content-length', '1'],
    ['A', 'b'],
  ])
    assert.notEqual(
      known.viewsOf('a.test', '/', headers),
      known.viewsOf('a.test', '/', ['A', 'b', 'Content-Length', '1']),
    )
  assert.notEqual(known.viewsOf('a.test', '/b', ['A', 'b']), known.viewsOf('a.test', '/', ['A', 'b']))
  const long = ['A', 'b'.repeat(10_000)]
  assert.notEqual(known.viewsOf('a.test', '/', long), known.viewsOf('a.test', '/', long))
})
