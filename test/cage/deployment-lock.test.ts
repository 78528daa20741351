/**
 * One command at a time changes a cage: two creates at once are one after the other, in whatever processes they run, and a
 * process that died is in nobody's way.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { lockAllCages, lockCage } from '../../src/cage/deployment-lock.ts'
import { withFolder } from '../support/temporary.ts'

const MODULE = new URL('../../src/cage/deployment-lock.ts', import.meta.url).href

test('the second waits for the first; other cages do not', async (t) => {
  const env = { HOME: await withFolder(t) }
  const order: string[] = []
  const first = await lockCage('demo', env)
  const second = lockCage('demo', env).then((lock) => {
    order.push('second')
    lock[Symbol.dispose]()
  })
  ;(await lockCage('other', env))[Symbol.dispose]()
  ;(await lockAllCages(env))[Symbol.dispose]()
  order.push('first is done')
  first[Symbol.dispose]()
  await second
  assert.deepEqual(order, ['first is done', 'second'])
  assert.deepEqual(await readdir(join(env.HOME, '.config/agentcage/deployments')), [])
})

test('a process that was killed holds nothing', async (t) => {
  const env = { HOME: await withFolder(t) }
  const program = `const { lockCage } = await import(${JSON.stringify(MODULE)})
    await lockCage('demo', process.env); console.log('held'); setInterval(() => {}, 1000)`
  const holder = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => holder.kill('SIGKILL'))
  await once(holder.stdout, 'data')
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  ;(await lockCage('demo', env))[Symbol.dispose]()
})
