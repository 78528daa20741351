import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SINKHOLE, type NameRuling } from '../../../src/egress/dns/answers.ts'
import type { MalformedReport } from '../../../src/egress/dns/malformed-reports.ts'
import { Responder, type Outcome, type QueryEvent, type ResponderOptions } from '../../../src/egress/dns/responder.ts'
import { fuzz, mutate } from '../../support/fuzz.ts'
import { encodeWithOracle, rawOpt, rawQuery, readWithOracle, wireName } from './oracle.ts'

/**
 * From message to message: every query is reported before it is answered, an unreportable one is not answered,
 * rubbish is reported within bounds, floods are dropped, and nothing leads out.
 */

const ALLOWED: NameRuling = { decision: 'allowed', reason: '' }
const UNKNOWN: NameRuling = { decision: 'blocked', reason: 'not reachable by policy' }
const CLIENT = { address: '127.0.0.1', port: 40_000 }

interface Setup {
  readonly respond: (bytes: Buffer) => Outcome
  readonly responder: Responder
  readonly queries: QueryEvent[]
  readonly reports: MalformedReport[]
  readonly clock: { now: number }
}

function setup(options: Partial<ResponderOptions> = {}): Setup {
  const queries: QueryEvent[] = []
  const reports: MalformedReport[] = []
  const clock = { now: 0 }
  const responder = new Responder({
    decide: (host) => (host === 'api.example.com' ? ALLOWED : UNKNOWN),
    egressAddress: { ipv4: '10.89.0.11' },
    onQuery: (event) => queries.push(event),
    onMalformed: (report) => reports.push(report),
    queriesPerSecond: 1_000_000,
    now: () => clock.now,
    ...options,
  })
  return { respond: (bytes) => responder.respond(bytes, 'udp', CLIENT), responder, queries, reports, clock }
}

function replyTo(outcome: Outcome): Buffer {
  assert.ok(outcome.reply !== undefined)
  return outcome.reply
}

test('a query is reported with its name in one spelling, its type, transport, client and decision', () => {
  const { respond, queries } = setup()
  respond(rawQuery({ name: wireName('API', 'example', 'com') }))
  respond(rawQuery({ name: wireName('evil.\n', 'test'), type: 65 }))
  assert.deepEqual(queries, [
    { name: 'api.example.com', type: 'A', transport: 'udp', client: CLIENT, decision: 'allowed', reason: '' },
    {
      name: 'evil\\046\\010.test',
      type: 'HTTPS',
      transport: 'udp',
      client: CLIENT,
      decision: 'blocked',
      reason: 'not a host name',
    },
  ])
})

test('a query that cannot be recorded, or judged, gets SERVFAIL', () => {
  const fail = (): never => {
    throw new Error('disk full')
  }
  for (const options of [{ onQuery: fail }, { decide: fail }]) {
    const read = readWithOracle(replyTo(setup(options).respond(rawQuery())))
    assert.equal(read.rcode, 'SERVFAIL')
    assert.deepEqual(read.answers, [])
  }
})

test('a response is dropped without a word', () => {
  const { respond, queries, reports } = setup()
  assert.deepEqual(respond(rawQuery({ flags: 0x8180 })), { reply: undefined, close: true })
  assert.deepEqual([queries.length, reports.length], [0, 0])
})

test('a malformed message is answered with an error and reported', () => {
  const { respond, reports } = setup()
  const outcome = respond(rawQuery({ counts: [2, 0, 0, 0] }))
  assert.equal(outcome.close, true)
  assert.equal(readWithOracle(replyTo(outcome)).rcode, 'FORMERR')
  assert.equal(readWithOracle(replyTo(respond(rawQuery({ flags: 0x2800 })))).rcode, 'NOTIMP')
  assert.deepEqual(respond(Buffer.from([1, 2, 3])), { reply: undefined, close: true })
  assert.deepEqual(
    reports.map((report) => (report.kind === 'message' ? report.reason : report.kind)),
    ['not exactly one question', 'opcode 5', 'shorter than id and flags'],
  )
})

test('reports of rubbish: ten a second, then a count', () => {
  const { respond, responder, reports, clock } = setup()
  for (let sent = 0; sent < 1000; sent++) respond(Buffer.alloc(0))
  assert.equal(reports.length, 10)
  clock.now += 500
  for (let sent = 0; sent < 1000; sent++) respond(Buffer.alloc(0))
  assert.equal(reports.length, 15)
  responder.close()
  assert.deepEqual(reports.at(-1), { kind: 'summary', count: 1985 })
  assert.equal(reports.length, 16)
  responder.close()
  assert.equal(reports.length, 16)
})

test('the count comes by itself when the flood is over', async () => {
  const { promise, resolve } = Promise.withResolvers<MalformedReport>()
  const { respond } = setup({ onMalformed: (report) => report.kind === 'summary' && resolve(report) })
  for (let sent = 0; sent < 12; sent++) respond(Buffer.alloc(0))
  const keepAlive = setInterval(() => {}, 1000)
  assert.deepEqual(await promise, { kind: 'summary', count: 2 })
  clearInterval(keepAlive)
})

test('a report that cannot be written does not stop the resolver', () => {
  const { respond } = setup({
    onMalformed: () => {
      throw new Error('disk full')
    },
  })
  assert.equal(readWithOracle(replyTo(respond(rawQuery({ counts: [0, 0, 0, 0] })))).rcode, 'FORMERR')
})

test('beyond the bound nothing is looked at until the bucket refills', () => {
  const { respond, queries, reports, clock } = setup({ queriesPerSecond: 100 })
  const answered = (): number => Array.from({ length: 250 }, () => respond(rawQuery())).filter(isAnswered).length
  assert.equal(answered(), 100)
  assert.deepEqual(reports[0], {
    kind: 'message',
    transport: 'udp',
    client: CLIENT,
    reason: 'more than 100 queries a second',
  })
  clock.now += 500
  assert.equal(answered(), 50)
  clock.now += 60_000
  assert.equal(answered(), 100)
  assert.equal(queries.length, 250)
})

test('a DNS tunnel: thousands of random names, one answer, and nobody is asked', async (t) => {
  const { respond, queries } = setup()
  await fuzz(t, { runs: 5000 }, (random) => {
    const data = random.bytes(random.integer(1, 100)).toString('hex')
    const labels = [...(data.match(/.{1,63}/g) ?? []), 'tunnel', 'evil', 'test']
    const type = random.pick([1, 16, 5, 15, 28, 33, 10, 65, 255])
    const read = readWithOracle(replyTo(respond(rawQuery({ name: wireName(...labels), type }))))
    assert.equal(read.rcode, 'NOERROR')
    const addresses = read.answers.map(({ type: kind, data: address }) => [kind, address])
    assert.deepEqual(addresses, type === 1 || type === 255 ? [['A', SINKHOLE]] : [])
  })
  assert.ok(queries.every(({ decision }) => decision === 'blocked'))
})

test('no code that answers DNS can ask anybody: it imports sockets to listen on and nothing that resolves', () => {
  const imported = importsOf(new URL('../../../src/egress/listen/dns.ts', import.meta.url))
  assert.deepEqual(imported, ['node:dgram', 'node:events', 'node:net'])
})

test('fuzz: never throws; every reply is well-formed, for this question and within the bound', async (t) => {
  const { respond } = setup()
  const corpus = [
    rawQuery(),
    rawQuery({ counts: [1, 0, 0, 1], tail: rawOpt({ size: 4096 }) }),
    rawQuery({ name: wireName('x'.repeat(63), 'y'.repeat(63), 'z'.repeat(63), 'w'.repeat(61)), type: 255 }),
    rawQuery({ name: wireName('localhost'), type: 28 }),
    encodeWithOracle({ type: 'query', id: 7, questions: [{ type: 'TXT', name: 'evil.test' }] }),
  ]
  await fuzz(t, { runs: 20_000 }, (random) => {
    const bytes = random.chance(0.1)
      ? random.bytes(random.integer(0, 60))
      : mutate(random, random.pick(corpus), { corpus })
    const { reply } = respond(bytes)
    if (reply === undefined) return
    assert.ok(reply.length <= 1232)
    assert.equal(reply.readUInt16BE(0), bytes.readUInt16BE(0))
    assert.equal(reply.readUInt8(2) & 0x80, 0x80)
    const read = readWithOracle(reply)
    if (read.questions.length === 1) assert.deepEqual(reply.subarray(12, 17), bytes.subarray(12, 17))
    for (const { data } of read.answers)
      assert.match(String(data), /^(10\.89\.0\.11|198\.51\.100\.1|127\.0\.0\.1|::1)$/)
  })
})

function isAnswered(outcome: Outcome): boolean {
  return outcome.reply !== undefined
}

/** Modules outside the project that a file imports, itself or through files of the project; sorted. */
function importsOf(entry: URL, seen = new Set<string>()): string[] {
  if (seen.has(entry.href)) return []
  seen.add(entry.href)
  const source = readFileSync(fileURLToPath(entry), 'utf8')
  assert.doesNotMatch(source, /\bimport\(|\brequire\b|getBuiltinModule/)
  const specifiers = [...source.matchAll(/^(?:import|export)\b[^'"]*?from '([^']+)'/gm)].map(([, from]) => from ?? '')
  const found = specifiers.flatMap((from) => (from.startsWith('.') ? importsOf(new URL(from, entry), seen) : [from]))
  return [...new Set(found)].toSorted()
}
