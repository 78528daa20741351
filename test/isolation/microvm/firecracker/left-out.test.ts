/*
 * What any process in a guest can make and the host cannot take over, or does not, is left out and named: it costs no other
 * change. When the host can take no more at all, that is the end, as an error for people.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { reasonToLeaveOut } from '../../../../src/isolation/microvm/firecracker/left-out.ts'
import { rememberHost } from '../../../../src/isolation/microvm/firecracker/memory.ts'
import { missingTools } from '../../../support/requires.ts'
import { handProject } from './disk.ts'

const skip = missingTools('mkfs.ext4', 'debugfs')

test(
  'what any process can make and cannot be taken over is left out and named; the rest goes on',
  { skip },
  async (t) => {
    const handed = await handProject(t, { files: { a: 'a', 'gone/x': 'x' } })
    writeFileSync(join(handed.host, 'new'), 'new')
    handed.guest(
      'cd /project',
      'write <host>/new caf\xe9',
      'mkdir fold\xe9r',
      'symlink linked caf\xe9',
      'mkdir full',
      'sif full size 67108865',
      ...Array.from({ length: 201 }, () => ['mkdir d', 'cd d']).flat(),
      'cd /project',
      'rm a',
      'write <host>/new a',
      'rm gone/x',
      'rmdir gone',
      'write <host>/new z',
    )
    const { kept, needsDisk } = await handed.handBack()
    assert.deepEqual(
      kept
        .map(({ path, reason }) => [path.replace(/(\/d)+$/, '/d'), reason] as const)
        .toSorted(([a], [b]) => (a < b ? -1 : 1)),
      [
        ['/project/caf\\xe9', 'its name is not in UTF-8'],
        ['/project/d', 'what is in it is too deep'],
        ['/project/fold\\xe9r', 'its name is not in UTF-8'],
        ['/project/full', 'it has too many names'],
        ['/project/linked', 'it is a link to what is not in UTF-8'],
      ],
    )
    assert.ok(needsDisk)
    assert.deepEqual(readdirSync(handed.project).toSorted(), ['a', 'd', 'full', 'z'])
    assert.equal(readFileSync(join(handed.project, 'a'), 'utf8'), 'new')
    // Or the next start would refuse the project.
    await rememberHost([{ source: handed.project, target: '/project' }], new Set())
  },
)

test('what the host refuses is left out and named', { skip }, async (t) => {
  const handed = await handProject(t, { files: { a: 'a' } })
  rmSync(handed.project, { recursive: true })
  const kept = [{ path: '/project', reason: 'the host refuses it (ENOENT)' }]
  assert.deepEqual(await handed.handBack(), { kept, needsDisk: true })
})

test('a folder that the host removed is looked at within the same bounds', { skip }, async (t) => {
  const handed = await handProject(t, { files: { 'sub/a': 'a' } })
  handed.guest('cd /project', 'sif sub size 67108865', 'sif sub mtime 1')
  rmSync(join(handed.project, 'sub'), { recursive: true })
  const { kept } = await handed.handBack()
  assert.deepEqual(kept, [{ path: '/project/sub', reason: 'the host removed it meanwhile' }])
})

test('a host without room ends it; what is no error of the system’s is a defect', () => {
  // Every write to this device finds none.
  const full = errorOf(() => writeFileSync('/dev/full', 'x'))
  assert.throws(() => reasonToLeaveOut('/project/a', full), {
    name: 'CageError',
    code: 'workload_failed',
    message: '/project/a cannot be taken over from the guest (ENOSPC)',
  })
  const defect = new TypeError('a defect')
  assert.throws(() => reasonToLeaveOut('/project/a', defect), defect)
})

function errorOf(act: () => void): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  return assert.fail('it went well')
}
