/**
 * Inspectors of a cage that stays: it keeps copies, recorded with their SHA-256. A copy that is not what was recorded stops
 * the egress, a file that changed since stops `cage start`; both say which file it is and what to do.
 */
import assert from 'node:assert/strict'
import { appendFile, chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { changeConfig } from '../../src/cage/change.ts'
import {
  forgetInspectors,
  keepInspectors,
  keptInspectors,
  readInspectors,
  recordOfInspectors,
  requireUnchangedInspectors,
} from '../../src/cage/deployment-inspectors.ts'
import { deploymentOf, loadDeployment, saveDeployment, type Deployment } from '../../src/cage/deployment.ts'
import { parseConfig } from '../../src/config/load.ts'
import { readKeptProgram } from '../../src/egress/inspect/custom/kept-program.ts'
import { CageError, type ErrorCode } from '../../src/errors.ts'
import { withFolder } from '../support/temporary.ts'

const PROGRAM = `export default { name: 'names', inspectRequest: () => ({ kind: 'pass' }) }\n`

interface Bed {
  readonly cage: Deployment
  readonly file: string
  readonly copy: string
  readonly text: string
}

async function bed(t: TestContext): Promise<Bed> {
  const home = await withFolder(t)
  const file = join(home, 'names.mjs')
  await writeFile(file, PROGRAM, { mode: 0o600 })
  await mkdir(join(home, 'shared'))
  const text = JSON.stringify({
    name: 'demo',
    isolation: 'container',
    container: { image: 'localhost/demo', volumes: [`${home}/shared:/shared`] },
    inspectors: [{ name: 'names', path: 'names.mjs' }],
  })
  const plain = {
    version: 1,
    isolation: 'container',
    created: '2026-01-01T00:00:00Z',
    updated: '2026-01-01T00:00:00Z',
    agentcage: '0.0.0',
    source: join(home, 'cage.yaml'),
    working_directory: home,
    project: home,
    environment: {},
    inspectors: {},
  } as const
  const config = parseConfig(text, 'cage.yaml')
  const environment = { HOME: home, XDG_CONFIG_HOME: join(home, '.config') }
  const programs = await readInspectors({ config, record: plain, environment })
  const record = { ...plain, inspectors: recordOfInspectors(programs) }
  const cage = deploymentOf({ name: 'demo', record, config, environment })
  await keepInspectors(cage, programs)
  await saveDeployment(cage, text)
  const { sha256 = '' } = record.inspectors['names'] ?? {}
  return { cage, file, text, copy: join(cage.folder, 'inspectors', `${sha256}.mjs`) }
}

test('the copy is what runs, whatever becomes of the file, and nobody else may read it', async (t) => {
  const { cage, file, copy } = await bed(t)
  await rm(file)
  const program = await read(await loadDeployment('demo', cage.environment))
  assert.equal(program.source, PROGRAM)
  assert.equal(program.path, file)
  assert.equal((await stat(copy)).mode & 0o777, 0o600)
  await requireUnchangedInspectors(cage)
})

test('attack: a copy that was changed, is missing, or was never recorded', async (t) => {
  const { cage, copy } = await bed(t)
  await appendFile(copy, '// and more\n')
  await assert.rejects(
    read(cage),
    hasCode('inspector_changed', new RegExp(`names: ${copy}, the copy of .* has changed`)),
  )
  await rm(copy)
  await assert.rejects(read(cage), hasCode('inspector_changed', /the copy of .*names\.mjs, is missing/))
  await saveDeployment({ ...cage, record: { ...cage.record, inspectors: {} } }, await readFile(cage.configPath))
  await assert.rejects(read(cage), hasCode('inspector_changed', /names\.mjs is not on record for cage 'demo'/))
})

test('attack: a copy that others may write', async (t) => {
  const { cage, copy } = await bed(t)
  await chmod(copy, 0o666)
  await assert.rejects(read(cage), hasCode('state_unusable', /./))
})

test('a file that changed since stops the start, and the error says what to do', async (t) => {
  const { cage, file } = await bed(t)
  await appendFile(file, '// and more\n')
  await assert.rejects(requireUnchangedInspectors(cage), (error: unknown) => {
    assert.ok(error instanceof CageError)
    assert.match(error.message, new RegExp(`names: ${file} has changed since it was recorded for cage 'demo'`))
    assert.match(error.hint ?? '', /agentcage cage update demo/)
    return true
  })
})

test('an inspector that an edit adds is recorded with it; one that it takes out is forgotten', async (t) => {
  const { cage, file, text } = await bed(t)
  await writeFile(join(file, '../more.mjs'), PROGRAM.replace('names', 'more'), { mode: 0o600 })
  const more = text.replace('"inspectors":[', '"inspectors":[{"name":"more","path":"more.mjs"},')
  await changeConfig('demo', cage.environment, () => more)
  const recorded = await loadDeployment('demo', cage.environment)
  assert.deepEqual(Object.keys(recorded.record.inspectors).toSorted(), ['more', 'names'])
  assert.equal((await readdir(join(cage.folder, 'inspectors'))).length, 2)
  await changeConfig('demo', cage.environment, () => text)
  assert.equal((await readdir(join(cage.folder, 'inspectors'))).length, 1)
})

test('an edit that names a file within reach of the workload changes nothing', async (t) => {
  const { cage, text, copy } = await bed(t)
  await writeFile(join(cage.record.project, 'shared/it.mjs'), PROGRAM, { mode: 0o600 })
  const wrong = text.replace('names.mjs', 'shared/it.mjs')
  await assert.rejects(
    changeConfig('demo', cage.environment, () => wrong),
    hasCode('config_invalid', /which the workload can reach/),
  )
  assert.equal(await readFile(cage.configPath, 'utf8'), text)
  assert.equal(await readFile(copy, 'utf8'), PROGRAM)
})

test('copies that are not on record are removed, those that are stay', async (t) => {
  const { cage, copy } = await bed(t)
  await writeFile(join(cage.folder, 'inspectors/old.ts'), '')
  await forgetInspectors(cage)
  assert.deepEqual(await readdir(join(cage.folder, 'inspectors')), [copy.split('/').at(-1)])
})

async function read(cage: Deployment): Promise<{ readonly source: string; readonly path: string }> {
  const [entry] = cage.config.inspectors
  assert.ok(entry !== undefined)
  return readKeptProgram(entry, keptInspectors('demo', cage.environment))
}

function hasCode(code: ErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof CageError && error.code === code && message.test(error.message)
}
