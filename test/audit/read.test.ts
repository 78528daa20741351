/**
 * Reading a log: oldest first, filtered, the last so many, and on as it grows - across appends in pieces, truncation
 * and replacement. A line that has no end yet is waited for; a line that is no record is passed over and counted.
 */
import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parseSince } from '../../src/audit/filter.ts'
import { MOST_LINE_BYTES } from '../../src/audit/fields.ts'
import { AuditLog } from '../../src/audit/log.ts'
import { readRecords, type ReadOptions } from '../../src/audit/read.ts'
import type { AuditEvent } from '../../src/audit/record.ts'
import { CageError } from '../../src/errors.ts'
import { auditEvent, temporaryFolder } from './fixture.ts'

const NOON = Date.parse('2026-11-22T12:00:00Z') * 1000
const MINUTE = 60_000_000

describe('reading', () => {
  const events: readonly Partial<AuditEvent>[] = [
    { id: '1', host: 'api.example.com' },
    { id: '2', host: 'evil.example', decision: 'blocked', code: 'domain_not_allowed', method: 'POST' },
    { id: '3', host: 'API.EXAMPLE.com', decision: 'flagged' },
    { id: '4', host: 'other.test', method: 'A', protocol: 'dns' },
  ]
  const cases: ReadonlyArray<readonly [name: string, options: ReadOptions, ids: string]> = [
    ['everything', {}, '1234'],
    ['a decision', { filter: { decision: 'blocked' } }, '2'],
    ['a part of the host, in any case', { filter: { host: 'Example.C' } }, '13'],
    ['a method, in any case', { filter: { method: 'post' } }, '2'],
    ['a code', { filter: { code: 'domain_not_allowed' } }, '2'],
    ['a time', { filter: { since: NOON + 2 * MINUTE } }, '34'],
    ['several filters: all must hold', { filter: { host: 'example', decision: 'flagged' } }, '3'],
    ['the last two', { last: 2 }, '34'],
    ['the last two that match', { last: 2, filter: { host: 'example' } }, '23'],
    ['the last of more than there are', { last: 100 }, '1234'],
    ['nothing', { filter: { host: 'nowhere' } }, ''],
  ]
  for (const [name, options, ids] of cases) {
    test(`gives ${name}`, async (t) => {
      const file = await logOf(t, events)
      assert.equal(await idsOf(file, options), ids)
    })
  }

  test('gives each line as it stands in the log', async (t) => {
    const file = await logOf(t, events)
    let text = ''
    for await (const { line } of readRecords(file)) text += `${line}\n`
    assert.equal(text, readFileSync(file, 'utf8'))
  })

  test('passes over what is no record, and a torn end', async (t) => {
    const file = await logOf(t, events)
    let bad = 0
    const noise = ['', 'x', '{}', '[]', 'null', '{"ts":1,"decision":"allowed"}', 'y'.repeat(MOST_LINE_BYTES + 10)]
    writeFileSync(file, `${noise.join('\n')}\n${readFileSync(file, 'utf8')}{"ts":"2026`)
    assert.equal(await idsOf(file, { onBadLine: () => (bad += 1) }), '1234')
    assert.equal(bad, noise.length)
  })

  test('refuses what is no regular file', async (t) => {
    const folder = temporaryFolder(t)
    for (const path of [folder, join(folder, 'absent'), '/dev/null']) {
      await assert.rejects(idsOf(path), (error) => error instanceof CageError && error.code === 'audit_unusable')
    }
  })
})

describe('following', () => {
  test('goes on with what is appended, in whatever pieces', async (t) => {
    const file = await logOf(t, [{ id: '1' }, { id: '2' }])
    const line = readFileSync(file, 'utf8').split('\n')[0] ?? ''
    const next = follow(t, file, { last: 1 })
    assert.equal(await next(), '2')
    appendFileSync(file, line.replace('"id":"1"', '"id":"3"').slice(0, 50))
    appendFileSync(file, `${line.replace('"id":"1"', '"id":"3"').slice(50)}\n`)
    assert.equal(await next(), '3')
    appendFileSync(file, `not a record\n${line}\n${line.replace('"id":"1"', '"id":"4"')}\n`)
    assert.equal(await next(), '1')
    assert.equal(await next(), '4')
  })

  test('sees what a writer that is alive appends', async (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    await using log = AuditLog.open(file, { cage: 'demo' })
    const next = follow(t, file, {})
    for (let i = 0; i < 200; i++) log.append(auditEvent({ id: String(i) }))
    for (let i = 0; i < 200; i++) assert.equal(await next(), String(i))
    log.append(auditEvent({ id: 'late' }))
    assert.equal(await next(), 'late')
  })

  test('begins again when the file was cut off', async (t) => {
    const file = await logOf(t, [{ id: '1' }, { id: '2' }])
    const [first = ''] = readFileSync(file, 'utf8').split('\n')
    const next = follow(t, file, {})
    assert.deepEqual([await next(), await next()], ['1', '2'])
    truncateSync(file)
    appendFileSync(file, `${first.replace('"id":"1"', '"id":"3"')}\n`)
    assert.equal(await next(), '3')
  })

  test('goes on in the file that took the name, after the end of the old one', async (t) => {
    const file = await logOf(t, [{ id: '1' }])
    const replacement = await logOf(t, [{ id: '3' }])
    const line = readFileSync(file, 'utf8')
    const next = follow(t, file, {})
    assert.equal(await next(), '1')
    renameSync(file, `${file}.old`)
    appendFileSync(`${file}.old`, line.replace('"id":"1"', '"id":"2"'))
    renameSync(replacement, file)
    assert.equal(await next(), '2')
    assert.equal(await next(), '3')
    appendFileSync(file, line.replace('"id":"1"', '"id":"4"'))
    assert.equal(await next(), '4')
  })

  test('ends when it is aborted, also while it waits', async (t) => {
    const file = await logOf(t, [{ id: '1' }])
    const controller = new AbortController()
    const records = readRecords(file, { follow: true, signal: controller.signal })
    await records.next()
    const waiting = records.next()
    controller.abort()
    assert.equal((await waiting).done, true)
  })
})

describe('--since', () => {
  const times: ReadonlyArray<readonly [string, string]> = [
    ['30m', '2026-11-22T11:30:00Z'],
    ['1h', '2026-11-22T11:00:00Z'],
    ['7d', '2026-11-15T12:00:00Z'],
    ['2026-11-20', '2026-11-20T00:00:00Z'],
    ['2026-11-20T10:30', '2026-11-20T10:30:00Z'],
    ['2026-11-20 10:30:05', '2026-11-20T10:30:05Z'],
    ['2026-11-20T10:30:05.5Z', '2026-11-20T10:30:05.500Z'],
    ['2026-11-20T10:30:05.123456+02:00', '2026-11-20T08:30:05.123Z'],
  ]
  for (const [text, time] of times) {
    test(`reads ${text}`, () => assert.equal(parseSince(text, NOON), Date.parse(time) * 1000))
  }

  const wrong = [
    '',
    '1',
    'h',
    '1w',
    '-1h',
    '1.5h',
    '1h ',
    'yesterday',
    '2026',
    '2026-13-01',
    '2026-02-30',
    '2026-11-20T25:00',
  ]
  for (const text of wrong) {
    test(`does not read ${JSON.stringify(text)}`, () => assert.equal(parseSince(text, NOON), undefined))
  }
})

async function logOf(
  t: Parameters<typeof temporaryFolder>[0],
  events: readonly Partial<AuditEvent>[],
): Promise<string> {
  const file = join(temporaryFolder(t), 'audit.jsonl')
  let now = NOON - MINUTE
  await using log = AuditLog.open(file, { cage: 'demo', clock: () => now })
  for (const event of events) {
    now += MINUTE
    log.append(auditEvent(event))
  }
  return file
}

async function idsOf(file: string, options: ReadOptions = {}): Promise<string> {
  let ids = ''
  for await (const { record } of readRecords(file, options)) ids += record.id
  return ids
}

/** Gives the id of the next record, whenever it comes. */
function follow(
  t: Parameters<typeof temporaryFolder>[0],
  file: string,
  options: ReadOptions,
): () => Promise<string | undefined> {
  const controller = new AbortController()
  const records = readRecords(file, { ...options, follow: true, signal: controller.signal })
  t.after(async () => {
    controller.abort()
    await records.return()
  })
  return async () => {
    const next = await records.next()
    return next.done === true ? undefined : next.value.record.id
  }
}
