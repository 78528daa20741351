/**
 * What is kept of a cage that stays: the user's configuration byte for byte and a record of what was decided, for this
 * user alone. It is there as a whole or not at all, and what cannot be read is an error, never a guess.
 */
import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import {
  deploymentNames,
  deploymentOf,
  loadDeployment,
  readIsolation,
  removeDeployment,
  saveDeployment,
  type Deployment,
} from '../../src/cage/deployment.ts'
import type { DeploymentRecord } from '../../src/cage/deployment-record.ts'
import { listCages } from '../../src/cage/lifecycle.ts'
import { parseConfig } from '../../src/config/load.ts'
import { CageError, type ErrorCode } from '../../src/errors.ts'
import { openSecretStore } from '../../src/secrets/store.ts'
import { withFolder } from '../support/temporary.ts'

const TEXT = '# mine\nname: demo\ndomains:\n  list: [example.com]   # and why\n'

describe('a deployment', () => {
  test('comes back as it was saved, comments and all, and nobody else may read it', async (t) => {
    const { env, deployment } = await bed(t)
    await saveDeployment(deployment, TEXT)
    const loaded = await loadDeployment('demo', env)
    assert.deepEqual(loaded, deployment)
    assert.equal(await readFile(loaded.configPath, 'utf8'), TEXT)
    assert.deepEqual(await deploymentNames(env), ['demo'])
    for (const path of [loaded.configPath, join(loaded.folder, 'deployment.json')])
      assert.equal((await stat(path)).mode & 0o777, 0o600, path)
    assert.equal((await stat(loaded.folder)).mode & 0o777, 0o700)
    assert.deepEqual((await readdir(loaded.folder)).toSorted(), ['cage.yaml', 'deployment.json'])
  })

  test('that cannot be read hides no other, and says what isolates it as long as it can', async (t) => {
    const { env, deployment } = await bed(t)
    await saveDeployment(deployment, TEXT)
    const path = join(deployment.folder, 'deployment.json')
    const text = await readFile(path, 'utf8')
    for (const damaged of [text.replace('"version": 1', '"version": 2'), text.slice(0, 60)]) {
      await writeFile(path, damaged)
      assert.deepEqual(await listCages(env), [{ name: 'demo', isolation: 'unknown', status: 'unusable', services: [] }])
      assert.equal(await readIsolation('demo', env), 'process')
    }
    await writeFile(path, '{}')
    await assert.rejects(readIsolation('demo', env), hasCode('state_unusable', /deployment\.json is not the record/))
    assert.equal(await readIsolation('other', env), undefined)
  })

  test('is none while there is no record: secrets may be set before, and a create may have been cut off', async (t) => {
    const { env, deployment } = await bed(t)
    await mkdir(join(deployment.folder, 'secrets'), { recursive: true, mode: 0o700 })
    await chmod(join(deployment.folder, '..'), 0o700)
    await writeFile(deployment.configPath, TEXT, { mode: 0o600 })
    assert.deepEqual(await deploymentNames(env), [])
    await assert.rejects(loadDeployment('demo', env), hasCode('cage_unknown', /cage 'demo' does not exist/))
  })

  test('is gone after it was removed, secrets too, and removing again finds nothing', async (t) => {
    const { env, deployment } = await bed(t)
    await saveDeployment(deployment, TEXT)
    assert.equal(await removeDeployment('demo', env), true)
    assert.equal(await removeDeployment('demo', env), false)
    await assert.rejects(stat(deployment.folder), { code: 'ENOENT' })
  })

  test('loses its secrets first: none stays behind when the removal is cut off', async (t) => {
    const { env, deployment } = await bed(t)
    await saveDeployment(deployment, TEXT)
    await (await openSecretStore(join(deployment.folder, 'secrets'))).set('KEY', 'value-of-the-key')
    await rm(join(deployment.folder, 'deployment.json'))
    await mkdir(join(deployment.folder, 'deployment.json')) // not removed as a file is
    await assert.rejects(removeDeployment('demo', env), hasCode('state_unusable', /deployment\.json/))
    assert.deepEqual((await readdir(deployment.folder)).toSorted(), ['cage.yaml', 'deployment.json'])
  })

  for (const name of ['..', 'a/b', '', 'A', '-a', 'a'.repeat(64), 'a\n']) {
    test(`${JSON.stringify(name)} names none`, async (t) => {
      const { env } = await bed(t)
      await assert.rejects(loadDeployment(name, env), hasCode('cage_unknown', /does not exist/))
    })
  }

  for (const [what, text] of [
    ['an empty record', ''],
    ['one with a key nobody knows', '{"version":1,"surprise":true}'],
    ['one of a newer version', '{"version":2}'],
  ] as const) {
    test(`with ${what} is refused`, async (t) => {
      const { env, deployment } = await bed(t)
      await saveDeployment(deployment, TEXT)
      await writeFile(join(deployment.folder, 'deployment.json'), text)
      await assert.rejects(loadDeployment('demo', env), hasCode('state_unusable', /deployment\.json is not the record/))
    })
  }

  test('that others may read is refused', async (t) => {
    const { env, deployment } = await bed(t)
    await saveDeployment(deployment, TEXT)
    await chmod(deployment.configPath, 0o644)
    await assert.rejects(loadDeployment('demo', env), hasCode('state_unusable', /lets others in/))
  })

  test('whose folder is a symbolic link is refused', async (t) => {
    const { deployment, folder } = await bed(t)
    await mkdir(join(deployment.folder, '..'), { recursive: true, mode: 0o700 })
    await mkdir(join(folder, 'elsewhere'))
    await symlink(join(folder, 'elsewhere'), deployment.folder)
    await assert.rejects(saveDeployment(deployment, TEXT), hasCode('state_unusable', /symbolic link/))
  })

  test('whose configuration is no longer right says where', async (t) => {
    const { env, deployment } = await bed(t)
    await saveDeployment(deployment, 'name: demo\nnonsense: 1\n')
    await assert.rejects(loadDeployment('demo', env), hasCode('config_invalid', /cage\.yaml:2:1: /))
  })
})

interface Bed {
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  readonly deployment: Deployment
}

async function bed(t: TestContext): Promise<Bed> {
  const folder = await withFolder(t)
  const env = { HOME: folder }
  const record: DeploymentRecord = {
    version: 1,
    isolation: 'process',
    created: '2026-01-31T18:00:00.000Z',
    updated: '2026-01-31T18:00:00.000Z',
    agentcage: '0.1.0',
    source: '/home/me/cage.yaml',
    working_directory: '/home/me',
    project: '/home/me/project',
    environment: { PATH: '/usr/bin' },
    inspectors: {},
  }
  const deployment = deploymentOf({ name: 'demo', record, config: parseConfig(TEXT, 'cage.yaml'), environment: env })
  return { folder, env, deployment }
}

function hasCode(code: ErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof CageError && error.code === code && message.test(error.message)
}
