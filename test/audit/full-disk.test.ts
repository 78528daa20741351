/**
 * A disk that is full denies: `append` throws, nothing half written stays, `usable` says no. When there is room again the log
 * goes on by itself, and its chain has no gap. Proven on a disk that is really full (a tmpfs in namespaces of its own)
 * and with a limit on the size of files (EFBIG).
 */
import assert from 'node:assert/strict'
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { verifyLog } from '../../src/audit/verify.ts'
import { temporaryFolder } from './fixture.ts'

const LOG_MODULE = new URL('../../src/audit/log.ts', import.meta.url).href
const FIXTURE = new URL('./fixture.ts', import.meta.url).href

const namespaces = run('unshare', ['-Urm', 'true']).status === 0
const bash = run('bash', ['-c', 'ulimit -f 64']).status === 0

describe('a full disk', () => {
  test('denies, and goes on when there is room', { skip: !namespaces && 'needs user and mount namespaces' }, (t) => {
    const folder = temporaryFolder(t)
    const mountAndRun = 'mount -t tmpfs -o size=512k,mode=700 tmpfs "$1" && exec "$2" -e "$3" "$1"'
    const result = run('unshare', ['-Urm', 'sh', '-c', mountAndRun, 'sh', folder, process.execPath, FULL_DISK])
    assert.equal(result.stderr, '')
    assert.deepEqual(JSON.parse(result.stdout), {
      code: 'audit_unusable',
      problem: 'no space left on the device (ENOSPC)',
      whole: true,
      atOnce: false,
      stillFull: false,
      soonAfterRoom: false,
      withRoom: true,
      verified: true,
      countsAgree: true,
    })
  })

  test('cannot be opened on', { skip: !namespaces && 'needs user and mount namespaces' }, (t) => {
    const folder = temporaryFolder(t)
    const mountAndRun = 'mount -t tmpfs -o nr_inodes=2,mode=700 tmpfs "$1" && exec "$2" -e "$3" "$1"'
    const result = run('unshare', ['-Urm', 'sh', '-c', mountAndRun, 'sh', folder, process.execPath, OPEN_ONLY])
    assert.match(
      result.stdout,
      /^audit_unusable audit log .* cannot be opened: no space left on the device \(ENOSPC\)\n$/,
    )
  })

  test('that is a limit on the size of a file denies', { skip: !bash && 'needs bash, for ulimit' }, async (t) => {
    const folder = temporaryFolder(t)
    const result = run('bash', [
      '-c',
      'ulimit -f 256 && exec "$1" -e "$2" "$3"',
      'bash',
      process.execPath,
      LIMITED,
      folder,
    ])
    assert.equal(result.stderr, '')
    assert.deepEqual(JSON.parse(result.stdout), {
      code: 'audit_unusable',
      problem: 'the file is as large as it may become (EFBIG)',
      usable: false,
      whole: true,
    })
    assert.equal((await verifyLog(join(folder, 'audit.jsonl'))).ok, true)
  })
})

/** Common to the children: opens the log with a clock that the test moves, and appends until it cannot. */
const FILL = `
  const { AuditLog } = await import(${JSON.stringify(LOG_MODULE)})
  const { auditEvent } = await import(${JSON.stringify(FIXTURE)})
  const { readFileSync, writeFileSync, unlinkSync, statSync } = await import('node:fs')
  const folder = process.argv[1]
  const file = folder + '/audit.jsonl'
  let now = Date.now() * 1000
  const log = AuditLog.open(file, { cage: 'demo', clock: () => now })
  const fill = () => {
    try { for (;;) log.append(auditEvent({ reason: 'x'.repeat(700) })) } catch (error) { return error }
  }
  const problemOf = (error) => error.message.split('cannot be written: ')[1]
  const whole = () => readFileSync(file, 'utf8').endsWith('"}\\n')`

const FULL_DISK = script(`${FILL}
  writeFileSync(folder + '/ballast', Buffer.alloc(200_000))
  const error = fill()
  const result = { code: error.code, problem: problemOf(error), whole: whole(), atOnce: log.usable() }
  now += 1_000_000
  result.stillFull = log.usable()
  unlinkSync(folder + '/ballast')
  now += 900_000
  result.soonAfterRoom = log.usable()
  now += 100_000
  result.withRoom = log.usable()
  for (let i = 0; i < 10; i++) log.append(auditEvent())
  fill()
  const { allowed } = log.counts
  await log.close()
  const { verifyLog } = await import(${JSON.stringify(new URL('../../src/audit/verify.ts', import.meta.url).href)})
  const chain = await verifyLog(file)
  console.log(JSON.stringify({ ...result, verified: chain.ok, countsAgree: chain.records === allowed }))`)

const LIMITED = script(`${FILL}
  const error = fill()
  now += 2_000_000
  console.log(JSON.stringify({ code: error.code, problem: problemOf(error), usable: log.usable(), whole: whole() }))
  await log.close()`)

const OPEN_ONLY = script(`
  const { AuditLog } = await import(${JSON.stringify(LOG_MODULE)})
  try { AuditLog.open(process.argv[1] + '/audit.jsonl', { cage: 'demo' }) } catch (error) { console.log(error.code, error.message) }`)

function script(body: string): string {
  return `void (async () => {${body}})()`
}

function run(command: string, args: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync(command, args, { encoding: 'utf8' })
}
