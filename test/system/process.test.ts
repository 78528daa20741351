/* Host programs are found in the system's folders only; processes and descriptors are read from /proc. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { childrenOf, findProgram, inheritableDescriptors, namespaceIdsOf, parentOf } from '../../src/system/process.ts'
import { withFolder } from '../support/temporary.ts'

test('a program is found by its name, not by PATH', async (t) => {
  const folder = await withFolder(t)
  const planted = join(folder, 'agentcage-planted-program')
  writeFileSync(planted, '#!/bin/sh\n')
  chmodSync(planted, 0o755)
  const path = process.env['PATH']
  t.after(() => (process.env['PATH'] = path))
  process.env['PATH'] = `${folder}:${path}`
  assert.equal(findProgram('agentcage-planted-program'), undefined)
  assert.match(findProgram('sh') ?? '', /^\/(?:usr\/)?bin\/sh$/)
})

test('children and parents', async (t) => {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  await once(child, 'spawn')
  const pid = child.pid ?? 0
  assert.ok(childrenOf(process.pid).includes(pid))
  assert.equal(parentOf(pid), process.pid)
  assert.equal(namespaceIdsOf(pid)?.[0], pid)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.deepEqual([parentOf(pid), namespaceIdsOf(pid)], [undefined, undefined])
  assert.deepEqual(childrenOf(pid), [])
})

test('our own descriptors close when another program starts', () => {
  const before = inheritableDescriptors()
  const descriptor = openSync('/dev/null', 'r')
  assert.deepEqual(inheritableDescriptors(), before)
  closeSync(descriptor)
  assert.ok(before.every((open) => open > 2))
})
