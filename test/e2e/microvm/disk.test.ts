/** `microvm.disk_mb`: what the guest writes outside of the project goes to a disk of that size, which can be filled. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missingTools } from '../../support/requires.ts'
import { CageHost } from '../support/cage.ts'
import { MACHINE, PATIENCE, withoutMachinesOr } from '../support/machine.ts'

const skip = withoutMachinesOr() || missingTools('mkfs.ext4')

test('a disk takes what the guest writes, up to its size', { skip, timeout: PATIENCE }, async () => {
  await using host = await CageHost.open({
    config: { ...MACHINE, microvm: { ...MACHINE.microvm, mem_mb: 384, disk_mb: 300 } },
  })
  const script = 'head -c 250M /dev/zero > /var/tmp/x && echo fits; head -c 250M /dev/zero > /var/tmp/y || echo full'
  const { code, stdout, stderr } = await host.run(['sh', '-c', script])
  assert.equal(code, 0, stderr)
  assert.equal(stdout, 'fits\nfull\n')
})
