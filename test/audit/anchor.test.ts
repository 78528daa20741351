/**
 * A chain cannot show that its end was cut off. What lies beside a log says where it had come to when it was last put on the
 * disk: an end before that does not verify, and nothing is started on it. A log that was moved away as a whole begins anew.
 */
import assert from 'node:assert/strict'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { AuditLog } from '../../src/audit/log.ts'
import { chainFiles } from '../../src/audit/rotated.ts'
import { verifyLog } from '../../src/audit/verify.ts'
import { CageError } from '../../src/errors.ts'
import { until } from '../support/until.ts'
import { auditEvent, recordsIn, temporaryFolder } from './fixture.ts'

describe('an end that was cut off', () => {
  test('does not verify and is not gone on from, after whichever record', async (t) => {
    const file = await logOf(t, 3)
    const text = readFileSync(file, 'utf8')
    const hash = recordsIn(file)[2]?.hash
    const lines = text.match(/.*\n/g) ?? []
    for (const kept of [2, 1, 0]) {
      const cut = lines.slice(0, kept).join('')
      writeFileSync(file, cut)
      const problem = `its end was cut off: the record with hash ${hash} is missing`
      assert.deepEqual(await verifyLog(file), { ok: false, file, line: kept + 1, problem })
      assert.throws(() => AuditLog.open(file, { cage: 'demo' }), unusable(problem))
      assert.equal(readFileSync(file, 'utf8'), cut)
    }
    writeFileSync(file, text)
    await AuditLog.open(file, { cage: 'demo' }).close()
    assert.equal((await verifyLog(file)).ok, true)
  })

  test('does not verify where other records of the same log follow', async (t) => {
    const file = await logOf(t, 3)
    const head = readFileSync(`${file}.head`)
    writeFileSync(file, (readFileSync(file, 'utf8').match(/.*\n/g) ?? []).slice(0, 1).join(''))
    rmSync(`${file}.head`)
    await addTo(file, 5)
    assert.equal((await verifyLog(file)).ok, true, 'without what lay beside it, nothing shows')
    writeFileSync(`${file}.head`, head)
    assert.equal((await verifyLog(file)).ok, false)
  })

  test('is found where it is a whole file', async (t) => {
    const file = await logOf(t, 20, 2000)
    const [before = ''] = chainFiles(file).slice(-2)
    rmSync(file)
    renameSync(before, file)
    assert.equal((await verifyLog(file)).ok, false)
    assert.throws(() => AuditLog.open(file, { cage: 'demo' }), unusable('its end was cut off'))
    for (const [index, one] of chainFiles(file).entries()) renameSync(one, join(temporaryFolder(t), `${index}`))
    await addTo(file, 1)
    assert.equal((await verifyLog(file)).ok, true, 'the hint helps')
  })
})

test('a log that goes on from the file before it may be opened, as long as it is empty', async (t) => {
  const file = await logOf(t, 6, 2000)
  const files = chainFiles(file)
  renameSync(file, file.replace('.jsonl', `-${files.length}.jsonl`))
  await addTo(file, 1)
  assert.equal((await verifyLog(file)).ok, true)
})

test('a log is not accused where it could not be kept for longer than a file', async (t) => {
  const file = await logOf(t, 20, 2000)
  const [oldest = ''] = chainFiles(file)
  const [first = ''] = readFileSync(oldest, 'utf8').match(/.*\n/) ?? []
  writeFileSync(`${file}.head`, `${recordsIn(oldest)[0]?.hash} ${String(first.length).padStart(15, '0')}\n`)
  assert.ok(chainFiles(file).length > 3)
  await addTo(file, 1)
  assert.equal((await verifyLog(file)).ok, true)
})

test('a writer that was killed had written more than what lies beside its log says', async (t) => {
  const file = await logOf(t, 3)
  const head = readFileSync(`${file}.head`)
  await addTo(file, 2)
  writeFileSync(`${file}.head`, head)
  assert.equal((await verifyLog(file)).ok, true)
  await addTo(file, 1)
  assert.equal((await verifyLog(file)).ok, true)
})

test('it is kept each second, not only at the end', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const file = join(temporaryFolder(t), 'audit.jsonl')
  await using log = AuditLog.open(file, { cage: 'demo' })
  log.append(auditEvent())
  t.mock.timers.tick(1000)
  const kept = await until(`${file}.head`, async () => readFileSync(`${file}.head`, 'utf8') || undefined)
  assert.ok(kept.startsWith(recordsIn(file)[0]?.hash ?? 'none'))
})

test('a log that was moved away begins anew', async (t) => {
  const file = await logOf(t, 3)
  renameSync(file, `${file}.old`)
  await addTo(file, 1)
  assert.deepEqual(await verifyLog(file), { ok: true, records: 1, head: recordsIn(file)[0]?.hash })
  assert.equal((await verifyLog(`${file}.old`)).ok, true)
})

test('what lies beside a log is as it was written, or nothing is started', async (t) => {
  const file = await logOf(t, 3)
  const head = readFileSync(`${file}.head`, 'utf8')
  for (const changed of [
    head.slice(1),
    `${head}\n`,
    head.replace(' ', '\0'),
    head.toUpperCase(),
    'x'.repeat(100_000),
  ]) {
    writeFileSync(`${file}.head`, changed)
    await assert.rejects(verifyLog(file), unusable('was changed'))
    assert.throws(() => AuditLog.open(file, { cage: 'demo' }), unusable('was changed'))
  }
})

async function logOf(t: TestContext, records: number, maxBytes?: number): Promise<string> {
  const file = join(temporaryFolder(t), 'audit.jsonl')
  await addTo(file, records, maxBytes)
  return file
}

async function addTo(file: string, records: number, maxBytes = 1_000_000): Promise<void> {
  await using log = AuditLog.open(file, { cage: 'demo', maxBytes })
  for (let index = 0; index < records; index++) log.append(auditEvent())
}

function unusable(problem: string): (error: unknown) => boolean {
  return (error) => error instanceof CageError && error.code === 'audit_unusable' && error.message.includes(problem)
}
