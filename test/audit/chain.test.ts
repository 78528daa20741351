/**
 * The chain shows what was done to a log afterwards: any changed byte, and lines that were removed, repeated, moved,
 * added or cut off at the beginning. Whatever events a log holds, untouched it verifies.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { CHAIN_START, verifyChain } from '../../src/audit/chain.ts'
import { MOST_LINE_BYTES } from '../../src/audit/fields.ts'
import { formatLine } from '../../src/audit/line.ts'
import { LineSplitter } from '../../src/audit/lines.ts'
import { AuditLog } from '../../src/audit/log.ts'
import type { AuditEvent, AuditRecord } from '../../src/audit/record.ts'
import { verifyLog } from '../../src/audit/verify.ts'
import { auditEvent, linesOf, temporaryFolder } from './fixture.ts'

const LINES = logOf([
  auditEvent(),
  auditEvent({ decision: 'blocked', reason: 'no "way" é \u2028' }),
  auditEvent(),
  auditEvent(),
])
const [A = '', B = '', C = '', D = ''] = LINES

describe('a chain', () => {
  test('verifies untouched, with its number of records and its head', async () => {
    const head = /"hash":"([0-9a-f]{64})"\}\n$/.exec(D)?.[1]
    assert.deepEqual(await verify(LINES.join('')), { ok: true, records: 4, head })
    assert.deepEqual(await verify(''), { ok: true, records: 0, head: CHAIN_START })
  })

  const catalogue: ReadonlyArray<readonly [name: string, text: string, line: number, problem: RegExp]> = [
    ['an edited decision', A + B.replace('"blocked"', '"allowed"') + C, 2, /was changed/],
    [
      'an edited prev',
      A + B.replace(/"prev":"./, (m) => `${m.slice(0, -1)}${m.endsWith('0') ? '1' : '0'}`) + C,
      2,
      /was changed/,
    ],
    [
      'an edited line with its hash made anew',
      A + rehash(B.replace('"blocked"', '"allowed"')) + C,
      3,
      /does not follow/,
    ],
    ['a removed line', A + C + D, 2, /does not follow/],
    ['two lines exchanged', A + C + B + D, 2, /does not follow/],
    ['a repeated line', A + B + B + C, 3, /does not follow/],
    ['a line of another log', A + (logOf([auditEvent(), auditEvent()])[1] ?? '') + B, 2, /does not follow/],
    ['a beginning cut off', B + C + D, 1, /does not begin here/],
    ['a new beginning', A + (logOf([auditEvent()])[0] ?? ''), 2, /does not follow/],
    ['an empty line', `${A}\n${B}`, 2, /not a record/],
    ['a space after a record', `${A}${B.trimEnd()} \n${C}`, 2, /not a record/],
    ['a carriage return', `${A.trimEnd()}\r\n${B}`, 1, /not a record/],
    [
      'a hash in capitals',
      A.replace(/"hash":"[^"]*"/, (hash) => hash.toUpperCase().replace('"HASH"', '"hash"')),
      1,
      /not a record/,
    ],
    ['a key after the hash', A.replace(/\}\n$/, ',"x":1}\n'), 1, /not a record/],
    ['a last line that is torn', A + B.slice(0, 40), 2, /no end/],
    ['a last newline that is missing', A + B.trimEnd(), 2, /no end/],
    ['other text', 'hello\n', 1, /not a record/],
    ['NUL bytes', `${A}${'\0'.repeat(100)}\n`, 2, /not a record/],
    ['a line without bound', `${A}${'x'.repeat(MOST_LINE_BYTES + 1)}\n${B}`, 2, /longer than/],
    ['a line without bound and without end', `${A}${'x'.repeat(MOST_LINE_BYTES + 1)}`, 2, /longer than/],
    [
      'a record that is not one, with a right hash',
      rehash(`{"a":1,"prev":"${CHAIN_START}","hash":"${CHAIN_START}"}\n`),
      1,
      /not a record/,
    ],
  ]
  for (const [name, text, line, problem] of catalogue) {
    test(`shows ${name}`, async () => {
      const result = await verify(text)
      assert.ok(!result.ok, 'it must not verify')
      assert.equal(result.line, line)
      assert.match(result.problem, problem)
    })
  }

  test('verifies for any events', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyEvent(), { maxLength: 8 }), async (events) => {
        const result = await verify(logOf(events).join(''))
        assert.deepEqual(result.ok && result.records, events.length)
      }),
    )
  })

  test('shows any changed bit and any cut that is not between lines', async () => {
    const bytes = Buffer.from(LINES.join(''))
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const changed = Buffer.from(bytes)
        changed[at] = (changed[at] ?? 0) ^ flip
        assert.equal((await verify(changed)).ok, false, `byte ${at} ^ ${flip}`)
        const [left, right] = [bytes.subarray(0, at), bytes.subarray(at + 1)]
        assert.equal((await verify(Buffer.concat([left, right]))).ok, false, `without byte ${at}`)
        assert.equal((await verify(left)).ok, left.length === 0 || left.at(-1) === 0x0a)
      }),
      { numRuns: 2000 },
    )
  })

  test('verifies as a file in pieces of any size', async (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    await using log = AuditLog.open(file, { cage: 'demo' })
    for (let i = 0; i < 500; i++) log.append(auditEvent({ reason: 'é'.repeat(i) }))
    assert.equal((await verifyLog(file)).ok, true)
    const contents = readFileSync(file)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), (size) => {
        const splitter = new LineSplitter()
        let count = 0
        for (let at = 0; at < contents.length; at += size) {
          const lines = splitter.push(contents.subarray(at, at + size))
          count += lines.filter((line) => line.kind === 'whole').length
        }
        assert.equal(count, 500)
        assert.equal(splitter.end(), undefined)
      }),
      { numRuns: 20 },
    )
  })
})

describe('a record', () => {
  test('stays below the bound of a line whatever an event holds', () => {
    const huge = '\0'.repeat(100_000)
    const many = Array.from({ length: 1000 }, () => huge)
    const event = auditEvent({
      id: huge,
      method: huge,
      host: huge,
      path: huge,
      url: huge,
      reason: huge,
      code: huge,
      upstream_ip: huge,
      inspectors: many.map((name) => ({ name, action: 'flag', reason: name, severity: name })),
      secrets_injected: many,
      secrets_redacted: many,
      duration_ms: -1.7e300,
    })
    const { line } = formatLine(event, { ts: '2026-11-22T21:23:00.123456+00:00', cage: huge, prev: CHAIN_START })
    assert.ok(Buffer.byteLength(line) <= MOST_LINE_BYTES, `${Buffer.byteLength(line)}`)
  })

  test('holds what the event says, whatever signs stand in it', () => {
    const text = fc.oneof(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12, unit: 'binary' }))
    fc.assert(
      fc.property(text, text, text, text, (method, host, url, reason) => {
        const event = auditEvent({ method, host, url, reason })
        const { line } = formatLine(event, { ts: '', cage: 'demo', prev: CHAIN_START })
        const { ts: _ts, cage: _cage, prev: _prev, hash: _hash, ...written } = JSON.parse(line) as AuditRecord
        assert.deepEqual(written, JSON.parse(JSON.stringify(event)))
      }),
    )
  })

  test('keeps the finding that blocked when there are too many', () => {
    const flags = Array.from(
      { length: 50 },
      (_, i) => ({ name: `n${i}`, action: 'flag', reason: '', severity: 'info' }) as const,
    )
    const inspectors = [...flags, { name: 'last', action: 'block', reason: '', severity: 'error' } as const]
    const { line } = formatLine(auditEvent({ inspectors }), { ts: '', cage: '', prev: '' })
    const names = (JSON.parse(line) as AuditEvent).inspectors?.map(({ name }) => name)
    assert.equal(names?.length, 32)
    assert.equal(names?.at(-1), 'last')
  })
})

async function verify(text: string | Buffer): ReturnType<typeof verifyChain> {
  return verifyChain(linesOf(text))
}

function logOf(events: readonly AuditEvent[]): readonly string[] {
  let prev = CHAIN_START
  return events.map((event) => {
    const { line, hash } = formatLine(event, { ts: '2026-11-22T21:23:00.123456+00:00', cage: 'demo', prev })
    prev = hash
    return line
  })
}

/** What somebody does who edits a line and knows how it is hashed. */
function rehash(line: string): string {
  const body = line.slice(0, line.lastIndexOf(',"hash":'))
  return `${body},"hash":"${createHash('sha256').update(body).digest('hex')}"}\n`
}

function anyEvent(): fc.Arbitrary<AuditEvent> {
  const text = fc.string({ unit: 'binary', maxLength: 40 })
  const raw = fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
    .map((units) => String.fromCharCode(...units))
  const hostile = fc.oneof(text, raw, fc.constantFrom('","hash":"', '\n', '\u2028', '\x1b[2J', 'x'.repeat(9000)))
  const finding = fc.record({
    name: hostile,
    action: fc.constantFrom('flag', 'block'),
    reason: hostile,
    severity: hostile,
  })
  return fc
    .record({
      id: hostile,
      method: hostile,
      host: hostile,
      path: hostile,
      url: hostile,
      reason: hostile,
      code: hostile,
      decision: fc.constantFrom('allowed', 'flagged', 'blocked'),
      port: fc.double(),
      duration_ms: fc.double(),
      inspectors: fc.array(finding, { maxLength: 3 }),
      secrets_injected: fc.array(hostile, { maxLength: 3 }),
    })
    .map((changes) => auditEvent(changes))
}
