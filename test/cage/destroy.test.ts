/** What a create or a destroy leaves that was killed is no cage, and is cleared away all the same. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { destroyCage, type DestroyRequest } from '../../src/cage/destroy.ts'
import { cageDestroy } from '../../src/cli/commands/cage-destroy.ts'
import { openSecretStore } from '../../src/secrets/store.ts'
import { cageState, deploymentFolder } from '../../src/system/paths.ts'
import { captureIo } from '../cli/captured-io.ts'
import { withFolder } from '../support/temporary.ts'

test('a configuration without a record is removed with its secrets; the state of a run stays', async (t) => {
  const { request, folder, state } = await remains(t)
  assert.deepEqual(await destroyCage(request), ['cage.yaml', 'secret:demo.KEY'])
  assert.equal(existsSync(folder), false)
  assert.equal(existsSync(state), true)
  assert.deepEqual(await destroyCage(request), [])
})

test('secrets that are to be kept are', async (t) => {
  const { request, folder } = await remains(t)
  assert.deepEqual(await destroyCage({ ...request, keepSecrets: true }), ['cage.yaml'])
  assert.equal(existsSync(join(folder, 'secrets/KEY')), true)
  assert.equal(existsSync(join(folder, 'cage.yaml')), false)
  assert.deepEqual(await destroyCage({ ...request, keepSecrets: true }), [])
})

test('the command finds them, and nothing where there is nothing', async (t) => {
  const { request, folder } = await remains(t)
  const outputs: string[] = []
  for (const _ of [1, 2]) {
    const { io, written } = captureIo(request.environment)
    assert.equal(await cageDestroy({ yes: true, keepSecrets: false }, ['demo'], io), 0)
    outputs.push((await written()).stdout)
  }
  assert.deepEqual(outputs, [
    '\nRemoved:\n  cage.yaml\n  secret:demo.KEY\n',
    'Nothing to remove (cage "demo" not found).\n',
  ])
  assert.equal(existsSync(folder), false)
})

interface Remains {
  readonly request: DestroyRequest
  readonly folder: string
  readonly state: string
}

/** As a create that is killed between configuration and record, with a secret that was set before and an earlier run. */
async function remains(t: TestContext): Promise<Remains> {
  const environment = { HOME: await withFolder(t) }
  const [folder, state] = [deploymentFolder('demo', environment), cageState('demo', environment)]
  await mkdir(state, { recursive: true, mode: 0o700 })
  await (await openSecretStore(join(folder, 'secrets'))).set('KEY', 'value-of-the-key')
  await writeFile(join(folder, 'cage.yaml'), 'name: demo\n', { mode: 0o600 })
  return { request: { name: 'demo', keepSecrets: false, environment, report: () => {} }, folder, state }
}
