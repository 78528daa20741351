/*
 * What people are told when a guest has ended, and where its disk stays when that has what nothing else has: in one place for
 * a project, whose guests could fill the host otherwise.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { whenHandedBack } from '../../../../src/isolation/microvm/firecracker/hand-over.ts'
import { missingTools } from '../../../support/requires.ts'
import { withFolder } from '../../../support/temporary.ts'
import { handProject } from './disk.ts'

const skip = missingTools('mkfs.ext4', 'debugfs')
const EXIT = { code: 3, signal: undefined }

test('what cannot be taken over is named, its disk is kept, and the exit is the command’s', { skip }, async (t) => {
  const { cache, log, lines } = await logged(t)
  const handed = await handProject(t, { files: { a: 'a' } })
  writeFileSync(join(handed.host, 'new'), 'new')
  handed.guest('cd /project', 'write <host>/new caf\xe9', 'write <host>/new made')
  const disk = readFileSync(handed.disk)
  assert.deepEqual(await whenHandedBack(Promise.resolve(EXIT), handed.files, { cache, log }), EXIT)
  const [kept = '', ...more] = readdirSync(cache)
  assert.deepEqual(more, [])
  assert.ok(readFileSync(join(cache, kept)).equals(disk))
  assert.equal(lines[0], 'warning: /project/caf\\xe9 was not taken over: its name is not in UTF-8')
  assert.match(
    lines[1] ?? '',
    /^warning: some of that .*; the guest’s disk is in .*\/unsaved-[0-9a-f]{16} \(ext4, \d+ MiB\)$/,
  )
  assert.equal(readFileSync(join(handed.project, 'made'), 'utf8'), 'new')
})

test('after a crash nothing is taken over; the newest disk takes the place of the older one', { skip }, async (t) => {
  const { cache, log, lines } = await logged(t)
  const handed = await handProject(t, { files: { a: 'a' } })
  handed.guest('cd /project', 'rm a')
  for (const content of [readFileSync(handed.disk), Buffer.from('newer')]) {
    writeFileSync(handed.disk, content)
    const crashed = Promise.reject(new Error('it crashed'))
    await assert.rejects(whenHandedBack(crashed, handed.files, { cache, log }), /it crashed/)
  }
  assert.deepEqual(
    readdirSync(cache).map((name) => readFileSync(join(cache, name), 'utf8')),
    ['newer'],
  )
  assert.match(lines[0] ?? '', /^warning: nothing that the guest changed was taken over; .*MiB\)$/)
  assert.match(lines[1] ?? '', /, in place of the one of \d{4}-/)
  assert.deepEqual(readdirSync(handed.project), ['a'])
})

test('a disk that cannot be read is said to be taken over in part at most', { skip }, async (t) => {
  const { cache, log, lines } = await logged(t)
  const handed = await handProject(t, { files: { a: 'a' } })
  writeFileSync(handed.disk, 'no disk')
  const ending = whenHandedBack(Promise.resolve(EXIT), handed.files, { cache, log })
  await assert.rejects(ending, { name: 'CageError', code: 'workload_failed', message: /cannot be read/ })
  assert.match(lines.join('\n'), /^warning: not all that the guest changed was taken over; [^\n]*$/)
  assert.equal(readdirSync(cache).length, 1)
})

async function logged(
  t: Parameters<typeof withFolder>[0],
): Promise<{ readonly cache: string; readonly lines: string[]; readonly log: (line: string) => void }> {
  const lines: string[] = []
  return { cache: join(await withFolder(t), 'cache'), lines, log: (line) => lines.push(line) }
}
