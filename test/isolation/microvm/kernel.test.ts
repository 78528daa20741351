/*
 * Which kernel a machine gets: the newest that fits, or the one that is named; and with a SHA-256 that file and no other,
 * however alike.
 */
import assert from 'node:assert/strict'
import { appendFileSync, copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CageError } from '../../../src/errors.ts'
import { requireKernel } from '../../../src/isolation/microvm/kernel.ts'
import { withoutMachinesOr } from '../../e2e/support/machine.ts'
import { withFolder } from '../../support/temporary.ts'

const skip = withoutMachinesOr()

test('a kernel with the SHA-256 that is asked for is taken', { skip }, () => {
  const { path, sha256 } = requireKernel({})
  assert.equal(requireKernel({ sha256 }).path, path)
  assert.equal(requireKernel({ path, sha256 }).path, path)
})

test('another one is refused, with what it has', { skip }, async (t) => {
  const { path, sha256 } = requireKernel({})
  const other = join(await withFolder(t), 'vmlinuz')
  copyFileSync(path, other)
  appendFileSync(other, '\0')
  const changed = requireKernel({ path: other }).sha256
  assert.notEqual(changed, sha256)
  assert.throws(
    () => requireKernel({ path: other, sha256 }),
    (error) =>
      error instanceof CageError && error.message.includes(`${other} has the SHA-256 ${changed}, which is not`),
  )
  assert.throws(() => requireKernel({ sha256: '0'.repeat(64) }), /which is not that of microvm\.kernel_sha256/)
})
