/**
 * `appendSoon` writes what one turn of the event loop records in one go: all of it or none, in order, in the same chain as
 * `append`, and never later than `close`.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AuditLog } from '../../src/audit/log.ts'
import { verifyLog } from '../../src/audit/verify.ts'
import { missingTools } from '../support/requires.ts'
import { auditEvent, recordsIn, temporaryFolder } from './fixture.ts'

test('records of one turn are chained in their order, around those written at once', async (t) => {
  const path = join(temporaryFolder(t), 'audit.jsonl')
  const log = AuditLog.open(path, { cage: 'demo' })
  const soon = ['a', 'b', 'c'].map((id) => log.appendSoon(auditEvent({ id })))
  log.append(auditEvent({ id: 'now', decision: 'blocked' }))
  await Promise.all(soon)
  assert.deepEqual(
    recordsIn(path).map(({ id }) => id),
    ['now', 'a', 'b', 'c'],
  )
  assert.deepEqual(log.counts, { allowed: 3, flagged: 0, blocked: 1 })
  await log.close()
  assert.equal((await verifyLog(path)).ok, true)
})

test('closing writes what waits', async (t) => {
  const path = join(temporaryFolder(t), 'audit.jsonl')
  const log = AuditLog.open(path, { cage: 'demo' })
  const waiting = log.appendSoon(auditEvent({ id: 'last' }))
  await log.close()
  await waiting
  assert.deepEqual(
    recordsIn(path).map(({ id }) => id),
    ['last'],
  )
})

test('a closed log refuses', async (t) => {
  const log = AuditLog.open(join(temporaryFolder(t), 'audit.jsonl'), { cage: 'demo' })
  await log.close()
  await assert.rejects(log.appendSoon(auditEvent()), { code: 'audit_unusable' })
})

test('what does not fit is refused whole and leaves nothing behind', { skip: missingTools('bash') }, (t) => {
  const path = join(temporaryFolder(t), 'audit.jsonl')
  const script = `
    import { AuditLog } from ${JSON.stringify(new URL('../../src/audit/log.ts', import.meta.url).href)}
    import { auditEvent } from ${JSON.stringify(new URL('./fixture.ts', import.meta.url).href)}
    process.on('SIGXFSZ', () => {})
    const log = AuditLog.open(process.argv[1], { cage: 'demo' })
    log.append(auditEvent({ id: 'first' }))
    const many = Array.from({ length: 40 }, () => log.appendSoon(auditEvent()))
    const outcomes = await Promise.allSettled(many)
    process.stdout.write(JSON.stringify({ refused: outcomes.filter(({ status }) => status === 'rejected').length, counts: log.counts }))
    await log.close()`
  const output = execFileSync(
    'bash',
    ['-c', 'ulimit -f 8; exec "$@"', 'bash', process.execPath, '--input-type=module', '-e', script, path],
    {
      encoding: 'utf8',
    },
  )
  assert.deepEqual(JSON.parse(output), { refused: 40, counts: { allowed: 1, flagged: 0, blocked: 0 } })
  assert.match(readFileSync(path, 'utf8'), /^\{[^\n]*"id":"first"[^\n]*\}\n$/)
})
