/**
 * A writer that is killed in the middle of a line, or a machine that loses power, leaves at most one torn line. Opening the
 * log keeps its bytes aside and goes on; every record before it stays. A last record that was edited is not gone on from.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { AuditLog } from '../../src/audit/log.ts'
import { verifyLog } from '../../src/audit/verify.ts'
import { CageError } from '../../src/errors.ts'
import { auditEvent, recordsIn, temporaryFolder } from './fixture.ts'

describe('a torn log', () => {
  const tears: ReadonlyArray<readonly [name: string, torn: string]> = [
    ['half a record', '{"ts":"2026-11-22T21:23:0'],
    ['a record without its newline', `{"ts":"x"}`],
    ['one byte', '{'],
    ['NUL bytes, as after a power cut', '\0'.repeat(4096)],
    ['more than a record can be', 'x'.repeat(2_000_000)],
    ['half a record that ends', '{"ts":"2026-11-22T21\n'],
    ['half a record that ends, then another', '{"ts":"2026-11-22T21\n{"ts"'],
  ]
  for (const [name, torn] of tears) {
    test(`keeps ${name} aside and goes on`, async (t) => {
      const { file, folder } = await logOfThree(t)
      const before = readFileSync(file, 'utf8')
      appendFileSync(file, torn)
      await using log = AuditLog.open(file, { cage: 'demo' })
      assert.equal(readFileSync(file, 'utf8'), before)
      const { tornFile = '' } = log
      assert.match(tornFile.slice(file.length), /^\.torn-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{6}Z$/)
      assert.equal(readFileSync(tornFile, 'utf8'), torn)
      assert.equal(statSync(tornFile).mode & 0o777, 0o600)
      log.append(auditEvent())
      assert.deepEqual(await verifyLog(file), { ok: true, records: 4, head: recordsIn(file)[3]?.hash })
      assert.equal(readdirSync(folder).filter((entry) => entry.includes('torn')).length, 1)
    })
  }

  test('is gone on from or refused, whatever bytes are at its end; never anything else', async (t) => {
    const { file } = await logOfThree(t)
    const before = readFileSync(file)
    const piece = fc.constantFrom(
      '\n',
      '{',
      '}',
      '"',
      '{}\n',
      '{"ts":"',
      ',"hash":"',
      '\0',
      before.toString().slice(0, 300),
    )
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.array(piece, { maxLength: 6 }).map((pieces) => Buffer.from(pieces.join(''))),
    )
    await fc.assert(
      fc.asyncProperty(noise, async (bytes) => {
        writeFileSync(file, Buffer.concat([before, bytes]))
        try {
          await AuditLog.open(file, { cage: 'demo' }).close()
          assert.deepEqual(readFileSync(file), before)
        } catch (error) {
          assert.ok(error instanceof CageError && error.code === 'audit_unusable', String(error))
          assert.deepEqual(readFileSync(file), Buffer.concat([before, bytes]))
        }
      }),
      { numRuns: 300 },
    )
  })

  test('whose only line is torn begins anew', async (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    writeFileSync(file, '{"ts"', { mode: 0o600 })
    await using log = AuditLog.open(file, { cage: 'demo' })
    log.append(auditEvent())
    assert.equal((await verifyLog(file)).ok, true)
  })

  test('cut off at any byte of its last record loses that record and no other', async (t) => {
    const { file } = await logOfThree(t)
    const whole = readFileSync(file)
    rmSync(`${file}.head`) // It was killed before the disk had it.
    const third = whole.lastIndexOf('\n', whole.length - 2) + 1
    for (let cut = whole.length - 1; cut > third; cut -= 7) {
      writeFileSync(file, whole.subarray(0, cut))
      await AuditLog.open(file, { cage: 'demo' }).close()
      assert.deepEqual(readFileSync(file), whole.subarray(0, third))
    }
  })
})

describe('an edited log', () => {
  const edits: ReadonlyArray<readonly [name: string, edit: (text: string) => string]> = [
    ['a changed decision', (text) => text.replace(/"allowed"(?!.*"allowed")/s, '"blocked"')],
    ['a last line that is JSON but no record', (text) => `${text}{}\n`],
    ['other text that is no log', () => 'first\nsecond\n'],
    ['a number', () => '1\n'],
  ]
  for (const [name, edit] of edits) {
    test(`is refused, and left as it is: ${name}`, async (t) => {
      const { file, folder } = await logOfThree(t)
      const edited = edit(readFileSync(file, 'utf8'))
      writeFileSync(file, edited)
      assert.throws(
        () => AuditLog.open(file, { cage: 'demo' }),
        (error) =>
          error instanceof CageError &&
          error.code === 'audit_unusable' &&
          /last line is wrong/.test(error.message) &&
          /mv /.test(error.hint ?? ''),
      )
      assert.equal(readFileSync(file, 'utf8'), edited)
      assert.deepEqual(readdirSync(folder).toSorted(), ['audit.jsonl', 'audit.jsonl.head'])
    })
  }

  test('is refused when its last line is longer than a record can be', async (t) => {
    const { file } = await logOfThree(t)
    appendFileSync(file, `"${'x'.repeat(600_000)}"\n"${'x'.repeat(600_000)}"\n`)
    assert.throws(() => AuditLog.open(file, { cage: 'demo' }), CageError)
  })
})

describe('a killed writer', () => {
  test('leaves a log that verifies once it is opened again, with every record that it reported', async (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    let reported = 0
    for (let round = 0; round < 5; round++) {
      reported += await writeUntilKilled(file)
      await using log = AuditLog.open(file, { cage: 'demo' })
      log.append(auditEvent({ reason: 'after the crash' }))
      reported += 1
      const result = await verifyLog(file)
      assert.ok(result.ok, JSON.stringify(result))
      assert.ok(result.records >= reported, `${result.records} of ${reported}`)
      reported = result.records
    }
    truncateSync(file, statSync(file).size - 3)
    rmSync(`${file}.head`)
    await AuditLog.open(file, { cage: 'demo' }).close()
    assert.deepEqual((await verifyLog(file)).ok, true)
  })
})

/** Appends in a child as fast as it can, kills it, and returns how many records it had reported as written. */
async function writeUntilKilled(file: string): Promise<number> {
  const child = spawn(process.execPath, ['-e', WRITE, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  let reported = 0
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    reported = Number(chunk.toString().trim().split('\n').at(-1)) || reported
    if (reported > 500) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  assert.equal(child.signalCode, 'SIGKILL')
  return reported
}

/** Says after every 50 records how many were appended; the write is synchronous, so none is said too early. */
const WRITE = `
  import('node:fs').then(async ({ writeSync }) => {
    const { AuditLog } = await import(${JSON.stringify(new URL('../../src/audit/log.ts', import.meta.url).href)})
    const { auditEvent } = await import(${JSON.stringify(new URL('./fixture.ts', import.meta.url).href)})
    const log = AuditLog.open(process.argv[1], { cage: 'demo' })
    for (let count = 1; ; count++) {
      log.append(auditEvent({ reason: 'x'.repeat(count % 1000) }))
      if (count % 50 === 0) writeSync(1, count + '\\n')
    }
  })`

async function logOfThree(t: Parameters<typeof temporaryFolder>[0]): Promise<{ file: string; folder: string }> {
  const folder = temporaryFolder(t)
  const file = join(folder, 'audit.jsonl')
  await using log = AuditLog.open(file, { cage: 'demo' })
  for (let i = 0; i < 3; i++) log.append(auditEvent())
  return { file, folder }
}
