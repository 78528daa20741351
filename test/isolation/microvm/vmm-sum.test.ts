/** A machine may be held to one program that runs it, by its sum. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { requireVmmSum, vmmSum } from '../../../src/isolation/microvm/vmm-sum.ts'
import { withFolder } from '../../support/temporary.ts'

// sha256sum of "abc" (FIPS 180-2, appendix B.1).
const ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'

test('the program with the sum is taken, any without one, and no other', async (t) => {
  const path = join(await withFolder(t), 'vmm')
  await writeFile(path, 'abc')
  assert.equal(vmmSum(path), ABC)
  requireVmmSum(path, ABC)
  requireVmmSum(path, undefined)
  await writeFile(path, 'abcd')
  requireVmmSum(path, undefined)
  assert.throws(() => requireVmmSum(path, ABC), {
    code: 'host_unsupported',
    message: /which is not that of microvm\.vmm_sha256$/,
  })
})
