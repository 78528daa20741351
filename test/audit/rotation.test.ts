/**
 * A log that has grown to its bound goes on in a new file. The chain runs through all of them: nothing can be taken out
 * between two files, and a crash at any step of the change leaves a log that verifies and goes on.
 */
import assert from 'node:assert/strict'
import { chmodSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { AuditLog } from '../../src/audit/log.ts'
import { readRecords } from '../../src/audit/read.ts'
import { chainFiles, rotatedFiles } from '../../src/audit/rotated.ts'
import { verifyLog } from '../../src/audit/verify.ts'
import { CageError } from '../../src/errors.ts'
import { auditEvent, recordsIn, temporaryFolder } from './fixture.ts'

const MAX = 2000

/** A log of so many records, in files of three. */
async function grown(t: TestContext, records: number): Promise<string> {
  const file = join(temporaryFolder(t), 'audit.jsonl')
  const log = AuditLog.open(file, { cage: 'demo', maxBytes: MAX })
  for (let index = 0; index < records; index++) log.append(auditEvent({ id: String(index) }))
  await log.close()
  return file
}

async function idsOf(file: string, last = 0): Promise<readonly string[]> {
  const ids: string[] = []
  for await (const { record } of readRecords(file, { last })) ids.push(record.id)
  return ids
}

const upTo = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index))

describe('a log that has grown to its bound', () => {
  test('goes on in a new file, none larger, and the chain holds', async (t) => {
    const file = await grown(t, 20)
    const files = chainFiles(file)
    assert.ok(files.length > 5)
    for (const one of files) {
      assert.ok(statSync(one).size <= MAX, one)
      assert.equal(statSync(one).mode & 0o777, 0o600)
    }
    const head = recordsIn(file).at(-1)?.hash
    assert.deepEqual(await verifyLog(file), { ok: true, records: 20, head })
    assert.deepEqual(readdirSync(join(file, '..')).length, files.length + 1, 'and where it had come to')
  })

  test('is read from its beginning, and its end without the rest', async (t) => {
    const file = await grown(t, 20)
    assert.deepEqual(await idsOf(file), upTo(20))
    assert.deepEqual(await idsOf(file, 7), upTo(20).slice(-7))
    const [oldest = ''] = rotatedFiles(file)
    writeFileSync(oldest, 'nonsense that is not to be read\n')
    assert.deepEqual(await idsOf(file, 7), upTo(20).slice(-7))
  })

  test('is followed from one file into the next', async (t) => {
    const file = await grown(t, 1)
    const log = AuditLog.open(file, { cage: 'demo', maxBytes: MAX })
    t.after(() => log.close())
    const ended = new AbortController()
    const seen: string[] = []
    for await (const { record } of readRecords(file, { follow: true, signal: ended.signal })) {
      seen.push(record.id)
      if (seen.length === 12) ended.abort()
      else log.append(auditEvent({ id: String(seen.length) }))
    }
    assert.deepEqual(seen, upTo(12))
  })

  test('goes on after it was closed, whatever its last file holds', async (t) => {
    const file = await grown(t, 10)
    for (let index = 10; index < 20; index++) {
      const log = AuditLog.open(file, { cage: 'demo', maxBytes: MAX })
      log.append(auditEvent({ id: String(index) }))
      await log.close()
    }
    assert.deepEqual(await idsOf(file), upTo(20))
    assert.equal((await verifyLog(file)).ok, true)
  })

  test('is counted on, also past nine', async (t) => {
    const file = await grown(t, 45)
    const names = rotatedFiles(file).map((path) => path.slice(file.length - 'audit.jsonl'.length))
    assert.deepEqual(
      names,
      names.map((_, index) => `audit-${index + 1}.jsonl`),
    )
    assert.ok(names.length > 9)
  })
})

describe('a chain through several files', () => {
  test('shows that a file is missing, changed, or in the place of another', async (t) => {
    const attacks: readonly ((files: readonly string[]) => void)[] = [
      ([, second = '']) => rmSync(second),
      ([first = '']) => rmSync(first),
      ([first = '', second = '']) => renameSync(second, first),
      ([, second = '']) => writeFileSync(second, readFileSync(second, 'utf8').replace('"id":"3"', '"id":"x"')),
      ([, second = '']) => writeFileSync(second, readFileSync(second, 'utf8').split('\n').slice(1).join('\n')),
      ([, second = '']) => writeFileSync(second, readFileSync(second, 'utf8').slice(0, -10)),
    ]
    for (const [index, attack] of attacks.entries()) {
      const file = await grown(t, 20)
      attack(chainFiles(file))
      assert.equal((await verifyLog(file)).ok, false, `attack ${index}`)
    }
  })

  test('names the file and the line', async (t) => {
    const file = await grown(t, 20)
    const [, second = ''] = chainFiles(file)
    const [, line = ''] = readFileSync(second, 'utf8').split('\n')
    writeFileSync(second, readFileSync(second, 'utf8').replace(line, line.replace('GET', 'PUT')))
    const result = await verifyLog(file)
    assert.ok(!result.ok)
    assert.deepEqual([result.file, result.line], [second, 2])
  })

  test('can be checked up to an older file', async (t) => {
    const file = await grown(t, 20)
    const [first = '', second = '', third = ''] = chainFiles(file)
    assert.deepEqual(chainFiles(third), [first, second, third])
    const result = await verifyLog(third)
    assert.ok(result.ok && result.records < 20)
  })
})

describe('a change of files that is cut off', () => {
  test('before the new file has its name leaves a log that goes on', async (t) => {
    const file = await grown(t, 10)
    renameSync(file, join(file, `../audit-${rotatedFiles(file).length + 1}.jsonl`))
    writeFileSync(`${file}.next`, '', { mode: 0o600 })
    const log = AuditLog.open(file, { cage: 'demo', maxBytes: MAX })
    for (let index = 10; index < 20; index++) log.append(auditEvent({ id: String(index) }))
    await log.close()
    assert.deepEqual(await idsOf(file), upTo(20))
    assert.equal((await verifyLog(file)).ok, true)
    assert.ok(!readdirSync(join(file, '..')).includes('audit.jsonl.next'))
  })

  test('after a torn line of the older file shows it, and does not go on as if nothing were', async (t) => {
    const file = await grown(t, 10)
    const last = rotatedFiles(file).at(-1) ?? ''
    rmSync(file)
    writeFileSync(last, `${readFileSync(last, 'utf8').slice(0, -2)}x\n`)
    assert.throws(() => AuditLog.open(file, { cage: 'demo' }), hasProblem)
  })

  test(
    'for want of a new file goes on in the old one',
    { skip: process.geteuid?.() === 0 && 'root may write anywhere' },
    async (t) => {
      const file = await grown(t, 2)
      const log = AuditLog.open(file, { cage: 'demo', maxBytes: MAX })
      chmodSync(join(file, '..'), 0o500)
      for (let index = 2; index < 6; index++) log.append(auditEvent({ id: String(index) }))
      chmodSync(join(file, '..'), 0o700)
      await log.close()
      assert.deepEqual(rotatedFiles(file), [])
      assert.deepEqual(await idsOf(file), upTo(6))
    },
  )
})

function hasProblem(error: unknown): boolean {
  return error instanceof CageError && error.code === 'audit_unusable'
}
