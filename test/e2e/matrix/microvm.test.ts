/** What must hold whatever the isolation, with `isolation: microvm`: one guest, emulated where there is no KVM. */
import assert from 'node:assert/strict'
import { release } from 'node:os'
import { after, before, describe, test } from 'node:test'
import { requireKernel } from '../../../src/isolation/microvm/kernel.ts'
import { MACHINE, PATIENCE, SUITE_PATIENCE, withoutMachinesOr } from '../support/machine.ts'
import { World } from '../support/world.ts'
import { CASES, MatrixServers, prepare } from './cases.ts'

describe('isolation: microvm', { skip: withoutMachinesOr('curl', 'git'), timeout: SUITE_PATIENCE }, () => {
  const servers = new MatrixServers()
  let world: World
  before(
    async () => {
      world = await World.open((internet) => servers.populate(internet), MACHINE, prepare)
    },
    { timeout: PATIENCE },
  )
  after(() => world.close(), { timeout: PATIENCE })

  for (const { name, hold } of CASES) test(name, { timeout: PATIENCE }, () => hold(world, servers))

  test('the kernel is not the host’s', { timeout: PATIENCE }, async () => {
    const { stdout } = await world.cage.sh('uname -r')
    assert.equal(stdout.trim(), requireKernel(undefined).release)
    const { stdout: boot } = await world.cage.sh('cat /proc/cmdline')
    assert.match(boot, /console=ttyS0 quiet panic=-1/, `${release()}: ${boot}`)
  })
})
