/** What must hold whatever the isolation, with `isolation: microvm`: one guest, emulated where there is no KVM. */
import assert from 'node:assert/strict'
import { release } from 'node:os'
import { after, before, describe, test } from 'node:test'
import { requireKernel } from '../../../src/isolation/microvm/kernel.ts'
import { keepKernel, MACHINE, PATIENCE, SUITE_PATIENCE, withoutMachinesOr } from '../support/machine.ts'
import { World } from '../support/world.ts'
import { CASES, MatrixServers, prepare } from './cases.ts'

describe('isolation: microvm', { skip: withoutMachinesOr('curl', 'git', 'python3'), timeout: SUITE_PATIENCE }, () => {
  const servers = new MatrixServers()
  let world: World
  before(
    async () => {
      world = await World.open((internet) => servers.populate(internet), MACHINE, {
        driver: 'python',
        prepare: (host) => Promise.all([prepare(host), keepKernel(host)]),
      })
    },
    { timeout: PATIENCE },
  )
  after(() => world.close(), { timeout: PATIENCE })

  for (const { name, hold } of CASES) test(name, { timeout: PATIENCE }, () => hold(world, servers))

  test('the clock is the host’s, and random numbers come from there', { timeout: PATIENCE }, async () => {
    const earliest = Math.floor(Date.now() / 1000)
    const { stdout } = await world.cage.sh(
      'date -u +%s; cat /sys/class/misc/hw_random/rng_current; head -c 32 /dev/random | wc -c; head -c 16 /dev/urandom | od -An -tx1',
    )
    const latest = Date.now() / 1000
    const [seconds, source, length, bytes] = stdout.trim().split('\n')
    // The guest's seconds begin at another moment.
    assert.ok(Number(seconds) >= earliest - 2 && Number(seconds) <= latest + 2, `${earliest} ${seconds} ${latest}`)
    assert.match(source ?? '', /^virtio_rng\./)
    assert.equal(length, '32')
    assert.notEqual(bytes, ' 00'.repeat(16))
  })

  test('the kernel is not the host’s', { timeout: PATIENCE }, async () => {
    const { stdout } = await world.cage.sh('uname -r')
    assert.equal(stdout.trim(), requireKernel({}).release)
    const { stdout: boot } = await world.cage.sh('cat /proc/cmdline')
    assert.match(boot, /console=ttyS0 quiet panic=-1/, `${release()}: ${boot}`)
  })
})
