/**
 * A cage's authority outlives the process: it is made once, when there is none, in one step; and loaded ever after,
 * also when several processes come for it at once.
 */
import assert from 'node:assert/strict'
import { lstat, mkdir, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { CertificateAuthority } from '../../../src/egress/tls/authority.ts'
import { run } from '../../support/command.ts'
import { withFolder } from '../../support/temporary.ts'

test('an authority is made once and then loaded', async (t) => {
  const folder = join(await withFolder(t), 'state/ca')
  const made = await CertificateAuthority.open(folder, { cage: 'demo' })
  const loaded = await CertificateAuthority.open(folder, { cage: 'renamed' })
  assert.equal(loaded.certificatePem, made.certificatePem)
  assert.equal(made.certificatePath, join(folder, 'ca.pem'))
  assert.equal(await readFile(made.certificatePath, 'utf8'), made.certificatePem)
  assert.equal(made.certificatePem.match(/-----BEGIN/g)?.length, 1)
})

test('only its user can read the key, and nothing is left beside the folder', async (t) => {
  const folder = await makeAuthority(t)
  const modeOf = async (path: string) => ((await lstat(path)).mode & 0o777).toString(8)
  assert.equal(await modeOf(folder), '700')
  assert.equal(await modeOf(join(folder, 'ca-key.pem')), '600')
  assert.equal(await modeOf(join(folder, 'ca.pem')), '644')
  assert.deepEqual(await readdir(dirname(folder)), ['ca'])
})

test('a folder that is there but empty gets an authority', async (t) => {
  const folder = join(await withFolder(t), 'ca')
  await mkdir(folder, { mode: 0o700 })
  await CertificateAuthority.open(folder, { cage: 'demo' })
  assert.deepEqual((await readdir(folder)).toSorted(), ['ca-key.pem', 'ca.pem'])
})

test('many who open at once end up with one authority', async (t) => {
  const folder = join(await withFolder(t), 'ca')
  const authorities = await Promise.all(
    Array.from({ length: 16 }, () => CertificateAuthority.open(folder, { cage: 'demo' })),
  )
  assert.equal(new Set(authorities.map((authority) => authority.certificatePem)).size, 1)
  assert.deepEqual(await readdir(dirname(folder)), ['ca'])
})

test('processes that open at once end up with one authority', async (t) => {
  const folder = join(await withFolder(t), 'ca')
  const module = join(import.meta.dirname, '../../../src/egress/tls/authority.ts')
  const script = `import { CertificateAuthority } from ${JSON.stringify(module)}
    process.stdout.write((await CertificateAuthority.open(${JSON.stringify(folder)}, { cage: 'demo' })).certificatePem)`
  const results = await Promise.all([1, 2, 3].map(() => run(process.execPath, ['--input-type=module', '-e', script])))
  assert.deepEqual(
    results.map((result) => result.code),
    [0, 0, 0],
    results.map((result) => result.stderr).join(),
  )
  assert.equal(new Set(results.map((result) => result.stdout)).size, 1)
})

test('the name of any cage fits, and two authorities never share one', async (t) => {
  const names = await Promise.all(
    [1, 2].map(async (number) => {
      const folder = join(await withFolder(t), String(number))
      const { certificatePath } = await CertificateAuthority.open(folder, { cage: 'x'.repeat(63) })
      return readFile(certificatePath, 'utf8')
    }),
  )
  assert.notEqual(names[0], names[1])
})

async function makeAuthority(t: TestContext): Promise<string> {
  const folder = join(await withFolder(t), 'ca')
  await CertificateAuthority.open(folder, { cage: 'demo' })
  return folder
}
