/*
 * A project that a disk cannot hold, or that could not be taken over again, is refused before the start, with its path and
 * what mends it.
 */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { rememberHost } from '../../../../src/isolation/microvm/firecracker/memory.ts'
import { withFolder } from '../../../support/temporary.ts'

async function refuses(project: string, message: RegExp): Promise<void> {
  const looking = rememberHost([{ source: project, target: '/project' }], new Set(['/project/masked']))
  await assert.rejects(looking, { name: 'CageError', code: 'workload_failed', message, hint: /vmm: qemu/ })
}

test('a name that is not in UTF-8, but not one below a mask', async (t) => {
  const project = await withFolder(t)
  for (const name of ['masked', 'sub']) mkdirSync(join(project, name))
  writeFileSync(Buffer.from(join(project, 'masked/caf\xe9'), 'latin1'), '')
  const host = await rememberHost([{ source: project, target: '/project' }], new Set(['/project/masked']))
  assert.deepEqual([...host.keys()], ['/project', '/project/sub'])
  writeFileSync(Buffer.from(join(project, 'sub/caf\xe9'), 'latin1'), '')
  await refuses(project, /\/sub\/caf\\xe9: it has a name that is not in UTF-8$/)
})

test('a folder that is too deep', async (t) => {
  const project = await withFolder(t)
  mkdirSync(join(project, ...Array.from({ length: 200 }, () => 'd')), { recursive: true })
  await rememberHost([{ source: project, target: '/project' }], new Set())
  mkdirSync(join(project, ...Array.from({ length: 201 }, () => 'd')))
  await refuses(project, /(\/d){201}: it lies more than 200 folders deep$/)
})

test('a folder that cannot be read', { skip: process.geteuid?.() === 0 && 'root reads all' }, async (t) => {
  const project = await withFolder(t)
  mkdirSync(join(project, 'shut'))
  chmodSync(join(project, 'shut'), 0)
  await refuses(project, /\/shut: it cannot be read \(EACCES\)$/)
})
