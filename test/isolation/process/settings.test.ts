import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CageError } from '../../../src/errors.ts'
import { CageBed, withoutBubblewrap } from './cage-bed.ts'

/*
 * The files that decide about a cage - its configuration, the authorities it trusts - often lie in the project, which is
 * writable. The workload can read them and not change them by any means, and what cannot be protected is refused.
 */

const skip = withoutBubblewrap

/** Each tries to have another text at conf/cage.yaml afterwards. */
const ATTACKS: Readonly<Record<string, string>> = {
  write: 'echo evil > conf/cage.yaml',
  append: 'echo evil >> conf/cage.yaml',
  truncate: 'truncate -s 0 conf/cage.yaml',
  replace: 'echo evil > x; mv -f x conf/cage.yaml; cp --remove-destination x conf/cage.yaml',
  remove: 'rm -f conf/cage.yaml; echo evil > conf/cage.yaml',
  'rename it': 'mv conf/cage.yaml x; echo evil > conf/cage.yaml',
  'rename its folder': 'mv conf x; mkdir conf; echo evil > conf/cage.yaml',
  'exchange its folder': 'mkdir x; echo evil > x/cage.yaml; perl -e \'syscall 316, -100, "x", -100, "conf", 2\'',
  'link to it': 'ln conf/cage.yaml x && echo evil > x; ln -s conf/cage.yaml y; echo evil > y',
  'make it writable': 'chmod 666 conf/cage.yaml; echo evil > conf/cage.yaml',
  remount:
    'mount -o remount,rw conf/cage.yaml; umount conf/cage.yaml; umount -l conf/cage.yaml; echo evil > conf/cage.yaml',
}

test('a configuration in the project stays as it is under every attack', { skip }, async (t) => {
  for (const [name, script] of Object.entries(ATTACKS)) {
    await t.test(name, () => {
      using bed = new CageBed()
      const path = bed.write('project/conf/cage.yaml', 'original')
      const { stdout } = bed.run(`cat conf/cage.yaml; ${script}`, { settings: [path] })
      assert.equal(stdout, 'original')
      assert.equal(readFileSync(path, 'utf8'), 'original')
    })
  }
})

test('the files beside it stay writable', { skip }, () => {
  using bed = new CageBed()
  const path = bed.write('project/conf/cage.yaml', 'original')
  const { status, stderr } = bed.run('echo new > conf/other && mkdir conf/sub && rm conf/other', { settings: [path] })
  assert.equal(status, 0, stderr)
})

test('a configuration that is reached by a link in the project is refused: the link could be replaced', () => {
  using bed = new CageBed()
  bed.write('elsewhere/cage.yaml', 'original')
  symlinkSync('../elsewhere/cage.yaml', join(bed.project, 'cage.yaml'))
  symlinkSync('../elsewhere', join(bed.project, 'conf'))
  for (const name of ['cage.yaml', 'conf/cage.yaml']) {
    assert.throws(
      () => bed.prepare(['true'], { settings: [join(bed.project, name)] }),
      (error) => error instanceof CageError && error.code === 'mount_refused' && /symbolic link/.test(error.message),
    )
  }
})

test('a link outside that leads into the project protects what it leads to', { skip }, () => {
  using bed = new CageBed()
  const real = bed.write('project/cage.yaml', 'original')
  const link = join(bed.home, 'cage.yaml')
  symlinkSync(real, link)
  bed.run('echo evil > cage.yaml; rm -f cage.yaml', { settings: [link] })
  assert.equal(readFileSync(real, 'utf8'), 'original')
})

test('a volume that would open the configuration is refused unless it is read-only', () => {
  using bed = new CageBed()
  const path = bed.write('conf/deep/cage.yaml', 'original')
  for (const volume of ['~/conf:/conf', '~/conf/deep:/deep', '~/conf/deep/cage.yaml:/cage.yaml']) {
    assert.throws(
      () => bed.prepare(['true'], { settings: [path], container: { volumes: [volume] } }),
      (error) => error instanceof CageError && error.code === 'mount_refused' && error.message.includes(path),
    )
    bed.prepare(['true'], { settings: [path], container: { volumes: [`${volume}:ro`] } })[Symbol.dispose]()
  }
})

test('a setting that does not exist, or lies outside, changes nothing', () => {
  using bed = new CageBed()
  mkdirSync(join(bed.home, 'conf'))
  const outside = bed.write('conf/cage.yaml', 'original')
  using plain = bed.prepare(['true'])
  using prepared = bed.prepare(['true'], { settings: [outside, join(bed.project, 'missing.yaml')] })
  const targets = (mounts: typeof plain.plan.mounts): readonly string[] => mounts.map(({ target }) => target)
  assert.deepEqual(targets(prepared.plan.mounts), targets(plain.plan.mounts))
})
