/**
 * An inspector of somebody's own may loop, crash, eat memory, end its process or answer nonsense: that request is blocked,
 * whoever waits for the same thread too, and the egress lives on with a new thread.
 */
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { get } from '../../../support/proxy-client.ts'
import { withFolder } from '../../../support/temporary.ts'
import { until } from '../../../support/until.ts'
import { bedWith } from './programs.ts'

const HOST = 'plain.test'
const hosts = { [HOST]: { kind: 'http' } } as const
const request = (path: string) => `http://${HOST}${path}`

/** What it does when `/bad` is asked for; all else passes. */
const onBad = (what: string) => `async inspectRequest({ path }) { if (path === '/bad') { ${what} } return PASS }`

const FAILURES: Readonly<Record<string, readonly [what: string, reason: string]>> = {
  throws: ["throw new Error('x')", 'inspector it failed'],
  'throws what is no error': ["throw 'x'", 'inspector it failed'],
  rejects: ["return Promise.reject(new Error('x'))", 'inspector it failed'],
  'answers nothing': ['return undefined as never', 'inspector it returned a malformed verdict'],
  'answers true': ['return true as never', 'inspector it returned a malformed verdict'],
  'answers a verdict in other words': [
    "return { kind: 'allow' } as never",
    'inspector it returned a malformed verdict',
  ],
  'blocks without a reason': ["return { kind: 'block' } as never", 'inspector it returned a malformed verdict'],
  'answers what cannot be sent': ['return Symbol.iterator as never', 'inspector it returned a malformed verdict'],
  'answers with a getter that throws': [
    "return { get kind() { throw new Error('x') } } as never",
    'inspector it failed',
  ],
  'names a severity that there is not': [
    "return { kind: 'flag', reason: 'x', severity: 'mild' } as never",
    'inspector it returned a malformed verdict',
  ],
  'ends its process': ['process.exit(0)', 'inspector it ended'],
  crashes: ["setTimeout(() => { throw new Error('x') }, 1); return new Promise(() => {})", 'inspector it broke'],
  'leaves a rejection unhandled': [
    "void Promise.reject(new Error('x')); return new Promise(() => {})",
    'inspector it broke',
  ],
  'eats memory': [
    'const kept: number[][] = []; for (;;) kept.push(new Array(1_000_000).fill(0.5))',
    'inspector it ran out of memory',
  ],
}
describe('that request is blocked, the next one passes', () => {
  for (const [what, [code, reason]] of Object.entries(FAILURES)) {
    test(what, async (t) => {
      const bed = await bedWith(t, { it: { members: onBad(code) } }, { hosts })
      bed.denied(await get(request('/bad'), bed), { status: 403, code: 'inspector_failed', host: HOST, reason })
      bed.nothingLeft()
      assert.equal((await get(request('/good'), bed)).status, 200)
      assert.equal(bed.records.length, 2)
    })
  }
})

test('an egress that ends while one thinks has the request on record, and nothing leaves', async (t) => {
  const folder = await withFolder(t)
  const think = `process.getBuiltinModule('node:fs').writeFileSync('${folder}/thinks', ''); return new Promise(() => {})`
  const bed = await bedWith(t, { it: { members: onBad(think), timeout_ms: 60_000 } }, { hosts })
  const asked = get(request('/bad'), bed)
  await until(folder, async () => (await readdir(folder)).includes('thinks') || undefined)
  const [response] = await Promise.all([asked, bed.egress.close({ drainMs: 0 })])
  bed.denied(response, { status: 503, code: 'egress_closed', host: HOST })
  bed.nothingLeft()
})

describe('taking too long', () => {
  test('an endless loop: those who wait for the thread are blocked too, and the egress goes on', async (t) => {
    const bed = await bedWith(t, { it: { members: onBad('for (;;);'), timeout_ms: 300 } }, { hosts })
    const bad = get(request('/bad'), bed)
    const others = Array.from({ length: 5 }, () => get(request('/bad'), bed))
    const responses = await Promise.all([bad, ...others])
    for (const response of responses) {
      const { reason } = bed.denied(response, { status: 403, code: 'inspector_failed', host: HOST })
      assert.match(reason, /^inspector it (?:took too long|ended)$/)
    }
    bed.nothingLeft()
    assert.ok(bed.messages.some((message) => message.startsWith('inspector it took too long; it is started anew')))
  })

  test('a promise that nobody keeps', async (t) => {
    const bed = await bedWith(t, { it: { members: onBad('return new Promise(() => {})'), timeout_ms: 300 } }, { hosts })
    const reason = 'inspector it took too long'
    bed.denied(await get(request('/bad'), bed), { status: 403, code: 'inspector_failed', host: HOST, reason })
  })

  test('the time of one look is not that of those who wait before it', async (t) => {
    const slow = 'inspectRequest() { const end = Date.now() + 100; while (Date.now() < end); return PASS }'
    const bed = await bedWith(t, { it: { members: slow, timeout_ms: 5000 } }, { hosts })
    const responses = await Promise.all(Array.from({ length: 10 }, () => get(request('/'), bed)))
    assert.deepEqual(
      responses.map(({ status }) => status),
      Array.from({ length: 10 }, () => 200),
    )
  })
})

test('what it prints and where it fails is for the operator, without what it looked at', async (t) => {
  const members = `inspectRequest({ path }) { console.log('\\x1b[2Jhello', 1); console.error('there'); return JSON.parse('nonsense ' + path) }`
  const bed = await bedWith(t, { it: { members } }, { hosts })
  assert.equal((await get(request('/secret-path'), bed)).status, 403)
  const said = () => bed.messages.filter((message) => message.startsWith('inspector it'))
  while (said().length < 4) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(said().includes('inspector it: \\u001b[2Jhello 1') && said().includes('inspector it: there'))
  const failed = said().find((message) => message.startsWith('inspector it failed: '))
  assert.match(failed ?? '', /^inspector it failed: SyntaxError at file:\/\/.*\/it\.ts:3:\d+$/)
  assert.ok(!bed.messages.join('\n').includes('secret-path'))
})

test('it finds nothing of the egress: no variables, no arguments', async (t) => {
  process.env['TEST_SECRET_OF_THE_EGRESS'] = 'x'
  t.after(() => delete process.env['TEST_SECRET_OF_THE_EGRESS'])
  const members = `inspectRequest() { return { kind: 'block', reason: JSON.stringify([process.env, process.argv.slice(2), process.execArgv]) } }`
  const bed = await bedWith(t, { it: { members } }, { hosts })
  const reason = '[{},[],[]]'
  bed.denied(await get(request('/'), bed), { status: 403, code: 'inspector_blocked', host: HOST, reason })
})
