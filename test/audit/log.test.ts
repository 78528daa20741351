/**
 * The audit log as a file: private, never followed through links, one JSON line a record in a fixed order of keys, each
 * naming the hash of the line before. Opened again, it goes on where it ended.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmodSync, linkSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { verifyChain } from '../../src/audit/chain.ts'
import { AUDIT_FIELDS } from '../../src/audit/fields.ts'
import { AuditLog } from '../../src/audit/log.ts'
import { CageError } from '../../src/errors.ts'
import { auditEvent, linesOf, recordsIn, temporaryFolder } from './fixture.ts'

const NOON = Date.parse('2026-11-22T12:00:00Z') * 1000

describe('a new log', () => {
  test('is a file of 0600 in a folder of 0700, whatever the umask', async (t) => {
    const file = join(temporaryFolder(t), 'state', 'demo', 'audit.jsonl')
    await using log = AuditLog.open(file, { cage: 'demo' })
    log.append(auditEvent())
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal(statSync(join(file, '..')).mode & 0o777, 0o700)
    assert.equal(log.path, file)
  })

  test('holds a record a line, keys in order, hash last and over the bytes before it', async (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    await using log = AuditLog.open(file, { cage: 'demo', clock: () => NOON + 123_456 })
    const finding = { name: 'secrets', action: 'block', reason: 'secret detected: x', severity: 'critical' } as const
    const event = auditEvent({
      decision: 'blocked',
      inspectors: [finding],
      secrets_injected: ['A'],
      secrets_not_injected: ['C'],
      secrets_redacted: ['B', 'C'],
    })
    log.append(event)
    const text = readFileSync(file, 'utf8')
    const record = recordsIn(file)[0]
    assert.ok(record !== undefined && text.endsWith('"}\n'))
    assert.deepEqual(Object.keys(record), Object.keys(AUDIT_FIELDS))
    const { ts, cage, prev, hash, ...rest } = record
    assert.deepEqual(rest, event)
    assert.deepEqual([ts, cage, prev], ['2026-11-22T12:00:00.123456+00:00', 'demo', '0'.repeat(64)])
    assert.equal(
      hash,
      createHash('sha256')
        .update(text.slice(0, text.indexOf(',"hash":')))
        .digest('hex'),
    )
  })

  test('leaves out what there is nothing to say about', async (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    await using log = AuditLog.open(file, { cage: 'demo' })
    log.append(auditEvent({ inspectors: [], secrets_injected: [], secrets_not_injected: [], secrets_redacted: [] }))
    assert.doesNotMatch(readFileSync(file, 'utf8'), /inspectors|secrets_/)
  })

  test('counts decisions', async (t) => {
    await using log = AuditLog.open(join(temporaryFolder(t), 'a'), { cage: 'demo' })
    for (const decision of ['allowed', 'blocked', 'allowed', 'flagged'] as const) log.append(auditEvent({ decision }))
    assert.deepEqual(log.counts, { allowed: 2, flagged: 1, blocked: 1 })
  })

  test('never goes back in time, even when the clock does', async (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    const times = [NOON, NOON - 5_000_000, NOON + 1, NOON + 999_999, NOON + 1_000_000]
    await using log = AuditLog.open(file, { cage: 'demo', clock: () => times.shift() ?? 0 })
    for (let i = 0; i < 6; i++) log.append(auditEvent())
    assert.deepEqual(
      recordsIn(file).map((record) => record.ts.slice(11, 26)),
      [
        '12:00:00.000000',
        '12:00:00.000000',
        '12:00:00.000001',
        '12:00:00.999999',
        '12:00:01.000000',
        '12:00:01.000000',
      ],
    )
  })

  test('writes numbers that JSON can hold', async (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    await using log = AuditLog.open(file, { cage: 'demo' })
    log.append(auditEvent({ status: Number.NaN, bytes_in: Infinity, duration_ms: 1.23456 }))
    const [record] = recordsIn(file)
    assert.deepEqual([record?.status, record?.bytes_in, record?.duration_ms], [0, 0, 1.235])
  })
})

describe('a log opened again', () => {
  test('goes on with the chain and with time', async (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    for (const clock of [() => NOON, () => NOON - 1_000_000, () => NOON + 1]) {
      await using log = AuditLog.open(file, { cage: 'demo', clock })
      log.append(auditEvent())
      log.append(auditEvent())
      assert.deepEqual(log.counts, { allowed: 2, flagged: 0, blocked: 0 })
    }
    const result = await verifyChain(linesOf(readFileSync(file)))
    assert.deepEqual(result, { ok: true, records: 6, head: recordsIn(file).at(-1)?.hash })
    const times = recordsIn(file).map((record) => record.ts)
    assert.deepEqual(times, times.toSorted())
  })

  test('that was empty begins the chain', async (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    writeFileSync(file, '', { mode: 0o600 })
    await using log = AuditLog.open(file, { cage: 'demo' })
    log.append(auditEvent())
    assert.equal(recordsIn(file)[0]?.prev, '0'.repeat(64))
  })

  test('becomes private if it was not', async (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    writeFileSync(file, '')
    chmodSync(file, 0o664)
    await using log = AuditLog.open(file, { cage: 'demo' })
    assert.ok(log.usable())
    assert.equal(statSync(file).mode & 0o777, 0o600)
  })

  test('closes twice without harm, and takes nothing afterwards', async (t) => {
    const log = AuditLog.open(join(temporaryFolder(t), 'a'), { cage: 'demo' })
    await log.close()
    await log.close()
    assert.equal(log.usable(), false)
    assert.throws(() => log.append(auditEvent()), unusable(/it is closed/))
  })
})

describe('a log is refused', () => {
  test('at a symbolic link', (t) => {
    const folder = temporaryFolder(t)
    writeFileSync(join(folder, 'target'), '')
    symlinkSync('target', join(folder, 'audit.jsonl'))
    assert.throws(() => AuditLog.open(join(folder, 'audit.jsonl'), { cage: 'demo' }), unusable(/symbolic link/))
    assert.equal(readFileSync(join(folder, 'target'), 'utf8'), '')
  })

  test('at a file with a second name', (t) => {
    const folder = temporaryFolder(t)
    writeFileSync(join(folder, 'precious'), '')
    linkSync(join(folder, 'precious'), join(folder, 'audit.jsonl'))
    assert.throws(() => AuditLog.open(join(folder, 'audit.jsonl'), { cage: 'demo' }), unusable(/hard link/))
  })

  test('at a folder', (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    mkdirSync(file)
    assert.throws(() => AuditLog.open(file, { cage: 'demo' }), unusable(/not a regular file/))
  })

  test('at a device', (t) => {
    const folder = temporaryFolder(t)
    symlinkSync('/dev', join(folder, 'dev'))
    assert.throws(() => AuditLog.open(join(folder, 'dev', 'full'), { cage: 'demo' }), unusable(/not a regular file/))
  })

  test('in a folder that others can write', (t) => {
    const folder = temporaryFolder(t)
    chmodSync(folder, 0o777)
    assert.throws(
      () => AuditLog.open(join(folder, 'audit.jsonl'), { cage: 'demo' }),
      (error) =>
        unusable(/written by others/)(error) && error instanceof CageError && /chmod go-w/.test(error.hint ?? ''),
    )
    chmodSync(folder, 0o1777)
    return AuditLog.open(join(folder, 'audit.jsonl'), { cage: 'demo' }).close()
  })

  test('where a part of the path is a file', (t) => {
    const folder = temporaryFolder(t)
    writeFileSync(join(folder, 'file'), '')
    assert.throws(
      () => AuditLog.open(join(folder, 'file', 'audit.jsonl'), { cage: 'demo' }),
      unusable(/cannot be opened/),
    )
  })

  const root = process.geteuid?.() === 0
  test('that belongs to another user', { skip: !root && 'needs root, to give a file away' }, async (t) => {
    const { chownSync } = await import('node:fs')
    const folder = temporaryFolder(t)
    const file = join(folder, 'audit.jsonl')
    writeFileSync(file, '')
    chownSync(file, 65_534, 65_534)
    assert.throws(() => AuditLog.open(file, { cage: 'demo' }), unusable(/belongs to another user/))
    chownSync(folder, 65_534, 65_534)
    assert.throws(() => AuditLog.open(join(folder, 'b'), { cage: 'demo' }), unusable(/belongs to another user/))
  })
})

describe('a log that something else touches', () => {
  test('is unusable once its file is gone, replaced or written by others', async (t) => {
    const { appendFileSync, renameSync, unlinkSync } = await import('node:fs')
    const acts: ReadonlyArray<readonly [RegExp, (file: string) => void]> = [
      [/moved or deleted/, (file) => unlinkSync(file)],
      [/moved or deleted/, (file) => renameSync(file, `${file}.1`)],
      [/something else wrote/, (file) => appendFileSync(file, 'x\n')],
      [/lock was taken away/, (file) => unlinkSync(`${file}.lock`)],
    ]
    t.mock.timers.enable({ apis: ['setInterval'] })
    for (const [problem, act] of acts) {
      const file = join(temporaryFolder(t), 'audit.jsonl')
      let now = NOON
      await using log = AuditLog.open(file, { cage: 'demo', clock: () => now })
      log.append(auditEvent())
      t.mock.timers.tick(1000)
      assert.equal(log.usable(), true)
      act(file)
      t.mock.timers.tick(1000)
      now += 60_000_000
      assert.equal(log.usable(), false)
      assert.throws(() => log.append(auditEvent()), unusable(problem))
      if (/wrote/.test(problem.source)) assert.ok(readFileSync(file, 'utf8').endsWith('\nx\n'))
    }
  })
})

function unusable(message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CageError, String(error))
    assert.equal(error.code, 'audit_unusable')
    assert.match(error.message, message)
    return true
  }
}
