/**
 * Inspectors are asked in their order, each knowing what those before it found. The first block ends the chain, flags
 * add up, and only reaching the end allows: an inspector that throws, rejects, takes too long or answers with anything
 * but a verdict blocks. Silence is not consent.
 */
import assert from 'node:assert/strict'
import { describe, mock, test } from 'node:test'
import { InspectorChain } from '../../../src/egress/inspect/chain.ts'
import type { InspectionContext, Inspector, Verdict } from '../../../src/egress/inspect/inspector.ts'
import { parseHostname, type Hostname } from '../../../src/policy/host.ts'

const context: InspectionContext = {
  direction: 'outbound',
  protocol: 'http/1.1',
  method: 'GET',
  url: 'https://api.test/',
  host: parseHostname('api.test') as Hostname,
  port: 443,
  path: '/',
  headers: [],
  contentType: '',
  priorResults: [],
  body: Buffer.alloc(0),
}

const PASS: Verdict = { kind: 'pass' }
const flag = (reason: string): Verdict => ({ kind: 'flag', reason, severity: 'warning' })
const saying = (verdict: unknown, name = 'it'): Inspector => ({ name, inspectRequest: () => verdict as Verdict })

describe('verdicts', () => {
  test('an empty chain and one that passes allow', async () => {
    assert.deepEqual(await new InspectorChain([]).inspectRequest(context), { findings: [] })
    assert.deepEqual(await new InspectorChain([saying(PASS), saying(Promise.resolve(PASS))]).inspectRequest(context), {
      findings: [],
    })
  })

  test('flags add up, and each inspector knows those before it', async () => {
    const seen: string[][] = []
    const watching: Inspector = {
      name: 'watching',
      inspectRequest({ priorResults }) {
        seen.push(priorResults.map(({ name, reason }) => `${name}: ${reason}`))
        return PASS
      },
    }
    const chain = new InspectorChain([
      watching,
      saying(flag('odd'), 'one'),
      watching,
      saying(Promise.resolve(flag('odder')), 'two'),
      watching,
    ])
    const { findings, denial } = await chain.inspectRequest(context)
    assert.equal(denial, undefined)
    assert.deepEqual(findings, [
      { name: 'one', action: 'flag', reason: 'odd', severity: 'warning' },
      { name: 'two', action: 'flag', reason: 'odder', severity: 'warning' },
    ])
    assert.deepEqual(seen, [[], ['one: odd'], ['one: odd', 'two: odder']])
  })

  test('the first block ends it', async () => {
    const after = mock.fn(() => PASS)
    const block = { kind: 'block', reason: 'no', severity: 'error' } as const
    const chain = new InspectorChain([
      saying(flag('odd'), 'one'),
      saying(block, 'two'),
      { name: 'three', inspectRequest: after },
    ])
    const { findings, denial } = await chain.inspectRequest(context)
    assert.deepEqual([denial?.code, denial?.message, denial?.status], ['inspector_blocked', 'no', 403])
    assert.deepEqual(
      findings.map(({ name, action }) => [name, action]),
      [
        ['one', 'flag'],
        ['two', 'block'],
      ],
    )
    assert.equal(after.mock.callCount(), 0)
  })

  test('a block may name a code and a time to wait', async () => {
    const block = {
      kind: 'block',
      reason: 'slow down',
      severity: 'warning',
      code: 'rate_limited',
      retryAfter: 7,
    } as const
    const { denial } = await new InspectorChain([saying(block)]).inspectRequest(context)
    assert.deepEqual([denial?.code, denial?.status, denial?.retryAfter], ['rate_limited', 429, 7])
  })

  test('an inspector without an opinion on a kind of traffic is not asked', async () => {
    const chain = new InspectorChain([
      { name: 'head', inspectHead: () => ({ kind: 'block', reason: 'no', severity: 'info' }) },
    ])
    assert.equal((await chain.inspectRequest(context)).denial, undefined)
    assert.equal((await chain.inspectMessage(context)).denial, undefined)
    assert.equal((await chain.inspectHead(context)).denial?.message, 'no')
  })

  test('an inspector may be an instance that needs itself', async () => {
    class Counting implements Inspector {
      readonly name = 'counting'
      count = 0
      inspectMessage(): Verdict {
        this.count += 1
        return PASS
      }
    }
    const counting = new Counting()
    await new InspectorChain([counting]).inspectMessage(context)
    assert.equal(counting.count, 1)
  })
})

describe('kinds of traffic', () => {
  test('each has its method; a chain knows which it has', async () => {
    const asked: string[] = []
    const note = (look: string) => (): Verdict => {
      asked.push(look)
      return PASS
    }
    const all = {
      name: 'all',
      inspectHead: note('head'),
      inspectRequest: note('request'),
      inspectResponse: note('response'),
      inspectMessage: note('message'),
      inspectQuestion: note('question'),
    }
    const chain = new InspectorChain([all])
    await chain.inspectHead(context)
    await chain.inspectRequest(context)
    await chain.inspectResponse({ ...context, direction: 'inbound', status: 200, part: 'whole' })
    await chain.inspectMessage(context)
    chain.inspectQuestion(context)
    assert.deepEqual(asked, ['head', 'request', 'response', 'message', 'question'])
    assert.equal(chain.has('inspectResponse'), true)
    assert.equal(new InspectorChain([{ name: 'requests', inspectRequest: () => PASS }]).has('inspectResponse'), false)
  })

  test('a question is answered at once: one who wants to wait has failed', () => {
    const waiting = {
      name: 'it',
      inspectQuestion: (() => Promise.reject(new Error('later'))) as unknown as () => Verdict,
    }
    const { denial } = new InspectorChain([waiting]).inspectQuestion(context)
    assert.deepEqual([denial?.code, denial?.message], ['inspector_failed', 'inspector it took too long'])
  })

  test('a stream of flagged messages stays a short list', async () => {
    const chain = new InspectorChain([
      { name: 'same', inspectMessage: () => flag('odd') },
      { name: 'other', inspectMessage: ({ body }) => flag(`odd ${body.toString()}`) },
      {
        name: 'last',
        inspectMessage: ({ body }) =>
          body.equals(Buffer.from('99')) ? { kind: 'block', reason: 'no', severity: 'error' } : PASS,
      },
    ])
    let priorResults: InspectionContext['priorResults'] = []
    for (let count = 0; count < 100; count += 1) {
      const { findings } = await chain.inspectMessage({ ...context, priorResults, body: Buffer.from(String(count)) })
      priorResults = findings
    }
    assert.deepEqual(
      [priorResults.length, priorResults.filter(({ name }) => name === 'same').length, priorResults.at(-1)?.action],
      [33, 1, 'block'],
    )
  })
})

describe('whatever is not a verdict blocks', () => {
  const malformed: Readonly<Record<string, unknown>> = {
    undefined: undefined,
    null: null,
    true: true,
    'the text pass': 'pass',
    'an empty object': {},
    'an empty array': [],
    'a function': () => PASS,
    'an unknown kind': { kind: 'allow' },
    'a kind in capitals': { kind: 'PASS' },
    'a kind in an array': { kind: ['pass'] },
    'a flag without a reason': { kind: 'flag', severity: 'info' },
    'a flag without a severity': { kind: 'flag', reason: 'x' },
    'a flag with an unknown severity': { kind: 'flag', reason: 'x', severity: 'mild' },
    'a block with a reason that is no text': { kind: 'block', reason: 1, severity: 'info' },
    'a block with an unknown code': { kind: 'block', reason: 'x', severity: 'info', code: 'nothing' },
    'a block with a code of every object': { kind: 'block', reason: 'x', severity: 'info', code: 'toString' },
    'a block with a wait that is a header': { kind: 'block', reason: 'x', severity: 'info', retryAfter: '1\r\nX: y' },
    'a block with a wait below zero': { kind: 'block', reason: 'x', severity: 'info', retryAfter: -1 },
    'a promise of a promise of nothing': Promise.resolve(Promise.resolve()),
    // oxlint-disable-next-line unicorn/no-thenable
    'something like a promise': { then: (resolve: (verdict: Verdict) => void) => resolve(PASS) },
  }
  for (const [what, verdict] of Object.entries(malformed)) {
    for (const [how, answer] of [
      ['at once', verdict],
      ['later', Promise.resolve(verdict)],
    ] as const) {
      // A promise takes in what is like one: that is a verdict then.
      if (what === 'something like a promise' && how === 'later') continue
      test(`${what}, ${how}`, async () => {
        const { denial, findings } = await new InspectorChain([saying(answer)]).inspectRequest(context)
        assert.deepEqual(
          [denial?.code, denial?.message],
          ['inspector_failed', 'inspector it returned a malformed verdict'],
        )
        assert.deepEqual(
          findings.map(({ action, severity }) => [action, severity]),
          [['block', 'critical']],
        )
      })
    }
  }
})

describe('whatever fails blocks', () => {
  const throwing = (): never => {
    throw new Error("with details that are nobody's business")
  }
  const failing: Readonly<Record<string, () => unknown>> = {
    'throwing an error': throwing,
    'throwing undefined': () => {
      throw undefined // oxlint-disable-line no-throw-literal, typescript/only-throw-error
    },
    rejecting: async () => throwing(),
    'an answer that throws when it is looked at': () => Object.defineProperty({}, 'kind', { get: throwing }),
    'the same, later': async () => Object.defineProperty({}, 'kind', { get: throwing }),
  }
  for (const [what, inspectRequest] of Object.entries(failing)) {
    test(what, async () => {
      const { denial } = await new InspectorChain([
        { name: 'it', inspectRequest: inspectRequest as () => Verdict },
      ]).inspectRequest(context)
      assert.deepEqual([denial?.code, denial?.message], ['inspector_failed', 'inspector it failed'])
    })
  }

  test('taking longer than a second', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const result = new InspectorChain([saying(new Promise(() => {}))]).inspectRequest(context)
    t.mock.timers.tick(999)
    assert.equal(await Promise.race([result, Promise.resolve('still thinking')]), 'still thinking')
    t.mock.timers.tick(1)
    assert.deepEqual((await result).denial?.message, 'inspector it took too long')
  })
})
