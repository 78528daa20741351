/**
 * The logs of one cage, its requests and its names, read as one: by time, filtered, the last so many, and on as both grow.
 * Each stays a chain of its own, and the command says how each stands.
 */
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { AuditLog } from '../../src/audit/log.ts'
import { readLogs } from '../../src/audit/merge.ts'
import type { ReadOptions } from '../../src/audit/read.ts'
import { main } from '../../src/cli/main.ts'
import { captureIo } from '../cli/captured-io.ts'
import { auditEvent, temporaryFolder } from './fixture.ts'

const NOON = Date.parse('2026-11-22T12:00:00Z') * 1000
const MINUTE = 60_000_000

/** A cage's state folder: what happened at each minute after noon, by log. */
async function logs(
  t: TestContext,
  requests: readonly number[],
  names: readonly number[],
): Promise<readonly [string, string]> {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'dns'))
  return [await write(join(folder, 'audit.jsonl'), requests), await write(join(folder, 'dns/audit.jsonl'), names)]
}

async function write(path: string, minutes: readonly number[]): Promise<string> {
  let now = NOON
  await using log = AuditLog.open(path, { cage: 'demo', clock: () => now })
  for (const minute of minutes) {
    now = NOON + minute * MINUTE
    log.append(auditEvent({ id: String(minute), decision: minute % 2 === 0 ? 'allowed' : 'blocked' }))
  }
  return path
}

describe('two logs as one', () => {
  const cases: readonly (readonly [string, readonly number[], readonly number[], ReadOptions, string])[] = [
    ['by time', [1, 4, 5], [2, 3, 6], {}, '1 2 3 4 5 6'],
    ['one of them empty', [1, 2], [], {}, '1 2'],
    ['filtered', [1, 4, 5], [2, 3, 6], { filter: { decision: 'allowed' } }, '2 4 6'],
    ['the last three', [1, 4, 5], [2, 3, 6], { last: 3 }, '4 5 6'],
    ['the last, all from one', [1, 2], [3, 4, 5], { last: 2 }, '4 5'],
  ]
  for (const [name, requests, names, options, expected] of cases) {
    test(name, async (t) => {
      const found: string[] = []
      for await (const { record } of readLogs(await logs(t, requests, names), options)) found.push(record.id)
      assert.equal(found.join(' '), expected)
    })
  }

  test('followed, what either gets comes, and leaving off waits for nothing', async (t) => {
    const paths = await logs(t, [1], [2])
    const found: string[] = []
    for await (const { record } of readLogs(paths, { follow: true })) {
      found.push(record.id)
      if (record.id === '2') await write(paths[1], [8])
      if (record.id === '8') await write(paths[0], [9])
      if (record.id === '9') break
    }
    assert.deepEqual(found, ['1', '2', '8', '9'])
  })
})

test('the command verifies each chain, and names the one that is broken', async (t) => {
  const folder = temporaryFolder(t)
  const state = join(folder, 'agentcage/cages/demo')
  mkdirSync(join(state, 'dns'), { recursive: true })
  await write(join(state, 'audit.jsonl'), [1, 2])
  const names = await write(join(state, 'dns/audit.jsonl'), [3])
  const env = { XDG_STATE_HOME: folder }
  const whole = await command(env, 'audit', 'demo', '--verify')
  assert.match(
    whole.stdout,
    /^audit chain ok: 2 records, .*cages\/demo\/audit\.jsonl\)\naudit chain ok: 1 records, .*dns\/audit\.jsonl\)\n$/,
  )
  assert.equal((await command(env, 'audit', 'demo', '--json')).stdout.split('\n').length, 4)
  appendFileSync(names, '{}\n')
  const broken = await command(env, 'audit', 'demo', '--verify')
  assert.equal(broken.code, 1)
  assert.match(broken.stderr, /^error: audit chain broken: .*dns\/audit\.jsonl: line 2/)
  const { stdout, code } = await command(env, 'audit', 'demo', '--verify', '--json')
  assert.equal(code, 1)
  const { ok, logs: each } = JSON.parse(stdout) as { readonly ok: boolean; readonly logs: readonly { ok: boolean }[] }
  assert.deepEqual([ok, ...each.map((log) => log.ok)], [false, true, false])
})

async function command(
  env: Readonly<Record<string, string>>,
  ...argv: readonly string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const { io, written } = captureIo(env)
  const code = await main(argv, io)
  return { code, ...(await written()) }
}
