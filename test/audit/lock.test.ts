/**
 * One log, one writer. A second one is told who writes; a writer that died, in whatever way, is no hindrance; and of many
 * that find a dead one's lock at the same moment, one gets it.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstatSync, lutimesSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { lockLog } from '../../src/audit/lock.ts'
import { AuditLog } from '../../src/audit/log.ts'
import { identifySelf, isAlive, parseIdentity } from '../../src/system/process-identity.ts'
import { CageError } from '../../src/errors.ts'
import { auditEvent, temporaryFolder } from './fixture.ts'

const LOG_MODULE = new URL('../../src/audit/log.ts', import.meta.url).href
const linux = process.platform === 'linux' ? false : 'needs /proc'

describe('the lock of a log', () => {
  test('keeps a second writer of the same process out, until the first closes', async (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    const first = AuditLog.open(file, { cage: 'demo' })
    assert.throws(() => AuditLog.open(file, { cage: 'demo' }), inUseBy(process.pid))
    first.append(auditEvent())
    await first.close()
    await AuditLog.open(file, { cage: 'demo' }).close()
    assert.deepEqual(readdirSync(join(file, '..')).toSorted(), ['audit.jsonl', 'audit.jsonl.head'])
  })

  test('names the process that has it, and is free when that was killed', async (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    const holder = spawn(process.execPath, ['-e', HOLD, file], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => holder.kill('SIGKILL'))
    await once(holder.stdout, 'data')
    assert.throws(() => AuditLog.open(file, { cage: 'demo' }), inUseBy(holder.pid))
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    await AuditLog.open(file, { cage: 'demo' }).close()
  })

  test('goes to exactly one of many that find a dead one', { skip: linux }, async (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    symlinkSync(deadIdentity(), `${file}.lock`)
    const children = Array.from({ length: 6 }, () =>
      spawn(process.execPath, ['-e', HOLD, file], { stdio: ['ignore', 'pipe', 'ignore'] }),
    )
    t.after(() => children.forEach((child) => child.kill('SIGKILL')))
    const outcomes = await Promise.all(
      children.map(async (child) => {
        const [outcome] = (await once(child.stdout, 'data')) as [Buffer]
        return outcome.toString().trim()
      }),
    )
    assert.deepEqual(outcomes.toSorted(), ['held', ...Array.from({ length: 5 }, () => 'refused')])
    const winner = children[outcomes.indexOf('held')]
    assert.match(readlinkSync(`${file}.lock`), new RegExp(`^${winner?.pid}-`))
    assert.deepEqual(readdirSync(join(file, '..')).toSorted(), ['audit.jsonl', 'audit.jsonl.head', 'audit.jsonl.lock'])
  })

  test('of a pid that was used again is free', { skip: linux }, (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    symlinkSync(identifySelf().text.replace(/-\d+-/, '-1-'), `${file}.lock`)
    lockLog(file).release()
  })

  test('of an earlier boot is free', { skip: linux }, (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    symlinkSync(identifySelf().text.replace(/-[0-9a-f]{32}-/, `-${'0'.repeat(32)}-`), `${file}.lock`)
    lockLog(file).release()
  })

  test('of another PID namespace is free once it has been silent for long', { skip: linux }, (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    symlinkSync(identifySelf().text.replace(/-\d+$/, '-1'), `${file}.lock`)
    assert.throws(() => lockLog(file), inUseBy(process.pid, / of another container/))
    const past = new Date(Date.now() - 60_000)
    lutimesSync(`${file}.lock`, past, past)
    const lock = lockLog(file)
    lutimesSync(`${file}.lock`, past, past)
    lock.refresh()
    assert.ok(lstatSync(`${file}.lock`).mtimeMs > past.getTime() + 30_000)
    assert.equal(lock.held(), true)
    lock.release()
    assert.equal(lock.held(), false)
  })

  test('that is not a lock is left alone', (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    writeFileSync(`${file}.lock`, 'mine')
    assert.throws(() => lockLog(file), /is not a lock of agentcage/)
    symlinkSync('/etc/passwd', `${file}2.lock`)
    assert.throws(() => lockLog(`${file}2`), /is not a lock of agentcage/)
  })

  test('outlives the claim of a process that died while it took the lock', { skip: linux }, (t) => {
    const file = join(temporaryFolder(t), 'audit.jsonl')
    const dead = deadIdentity()
    symlinkSync(dead, `${file}.lock`)
    symlinkSync(dead, `${file}.lock.claim-${dead}`)
    lockLog(file).release()
    assert.deepEqual(readdirSync(join(file, '..')), [])
  })
})

describe('the identity of a process', () => {
  test('is that of a living one for ourselves', () => {
    const self = parseIdentity(identifySelf().text)
    assert.ok(self !== undefined && isAlive(self, 0))
    assert.equal(self.foreign, false)
  })

  for (const text of ['', '1', '../x', '0-1--', '1-2-3', '1-2-zz-4', '1-2-00-4\n', '99999999999-1--']) {
    test(`is not ${JSON.stringify(text)}`, () => assert.equal(parseIdentity(text), undefined))
  }
})

/** Opens the log, says whether it could, and stays until it is killed. */
const HOLD = `
  import(${JSON.stringify(LOG_MODULE)}).then(({ AuditLog }) => {
    let log
    try { log = AuditLog.open(process.argv[1], { cage: 'demo' }) } catch (error) {
      if (error.code !== 'audit_in_use') throw error
    }
    console.log(log === undefined ? 'refused' : 'held')
    setInterval(() => log, 1000)
  })`

/** Ourselves, but started long ago: nobody. */
function deadIdentity(): string {
  return identifySelf().text.replace(/-\d+-/, '-1-')
}

function inUseBy(pid: number | undefined, more = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CageError, String(error))
    assert.equal(error.code, 'audit_in_use')
    assert.match(error.message, new RegExp(`is being written by process ${pid}\\b`))
    assert.match(error.message, more)
    return true
  }
}
