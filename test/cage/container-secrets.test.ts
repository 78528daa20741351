/**
 * What the containers of a cage find of its secrets: the workload placeholders and never a value, the egress values whose
 * source only the host can ask. Nothing that the workload sees is a source.
 */
import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { valuesFolder, workloadFile, writeStateFiles } from '../../src/cage/container/state-files.ts'
import { deploymentOf, saveDeployment, type Deployment } from '../../src/cage/deployment.ts'
import { rotateCagePlaceholders } from '../../src/cage/rotate-placeholders.ts'
import { parseConfig } from '../../src/config/load.ts'
import { openSecretStore } from '../../src/secrets/store.ts'
import { withFolder } from '../support/temporary.ts'

const KEY = ['ghp', 'a9Wfs0k4b1Qx9WfG0k4V1QxqWfGik4VjQxq8'].join('_')

async function deployment(
  t: TestContext,
  rules: readonly Readonly<Record<string, unknown>>[],
): Promise<Deployment & { readonly home: string; readonly text: string }> {
  const home = await withFolder(t)
  await mkdir(join(home, 'shared'))
  const config = {
    name: 'demo',
    isolation: 'container',
    container: { image: 'localhost/demo', volumes: ['~/shared:/shared:ro'] },
    secret_injection: rules.map((rule) => ({ inject_to: ['api.test'], ...rule })),
  }
  const record = {
    version: 1,
    isolation: 'container',
    created: '2026-01-01T00:00:00Z',
    updated: '2026-01-01T00:00:00Z',
    agentcage: '0.0.0',
    source: join(home, 'cage.yaml'),
    working_directory: home,
    project: home,
    environment: { PATH: '/usr/bin:/bin' },
    inspectors: {},
  } as const
  const text = JSON.stringify(config)
  const parsed = parseConfig(text, 'cage.yaml')
  return { home, text, ...deploymentOf({ name: 'demo', record, config: parsed, environment: { HOME: home } }) }
}

test('a decoy for the workload, and a value from a file beside the configuration', async (t) => {
  const cage = await deployment(t, [
    { env: 'GITHUB', format: 'like', source: 'file:key' },
    { env: 'STORED' },
    { env: 'ASKED', source: { cmd: ['printf', 'asked-value-1234'] } },
  ])
  await writeFile(join(cage.home, 'key'), KEY, { mode: 0o600 })
  await (await openSecretStore(join(cage.folder, 'secrets'))).set('STORED', 'stored-value-1234')
  for (const round of [1, 2]) {
    await writeStateFiles(cage)
    const variables = await readFile(workloadFile(cage), 'utf8')
    assert.match(variables, /^GITHUB=ghp_[A-Za-z0-9]{36}$/m, `round ${round}`)
    assert.match(variables, /^STORED=agentcage:secret:STORED:[0-9a-f]{32}$/m)
    for (const value of [KEY, 'stored-value', 'asked-value']) assert.equal(variables.includes(value), false)
    assert.deepEqual((await readdir(valuesFolder(cage))).toSorted(), ['ASKED', 'GITHUB'])
    assert.equal(await readFile(join(valuesFolder(cage), 'GITHUB'), 'utf8'), KEY)
  }
})

test('new placeholders are those of the next start', async (t) => {
  const cage = await deployment(t, [{ env: 'STORED' }])
  await saveDeployment(cage, cage.text)
  await (await openSecretStore(join(cage.folder, 'secrets'))).set('STORED', 'stored-value-1234')
  await writeStateFiles(cage)
  const before = await readFile(workloadFile(cage), 'utf8')
  assert.deepEqual(await rotateCagePlaceholders('demo', { HOME: cage.home }), ['STORED'])
  const after = await readFile(workloadFile(cage), 'utf8')
  assert.match(after, /^STORED=agentcage:secret:STORED:[0-9a-f]{32}$/m)
  assert.notEqual(after, before)
})

test('attack: a value or a program in a volume', async (t) => {
  for (const source of ['file:shared/key', 'cmd:shared/vault']) {
    const cage = await deployment(t, [{ env: 'KEY', source }])
    await writeFile(join(cage.home, 'shared/key'), KEY, { mode: 0o600 })
    await writeFile(join(cage.home, 'shared/vault'), `#!/bin/sh\ntouch ${cage.home}/ran; echo planted\n`)
    await chmod(join(cage.home, 'shared/vault'), 0o755)
    await assert.rejects(writeStateFiles(cage), { code: 'config_invalid', message: /within the workload's reach$/ })
    assert.deepEqual((await readdir(cage.home)).includes('ran'), false)
  }
})
