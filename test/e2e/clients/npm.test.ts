/**
 * npm in a cage: installs a package from a registry that wants a token. The token it has is a placeholder; the package
 * arrives as it was packed.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { run } from '../../support/command.ts'
import type { Handler, InternetServer } from '../../support/internet.ts'
import { makeFolder } from '../../support/temporary.ts'
import { withoutCagesOr } from '../support/cage.ts'
import { SECRET, SECRET_NAME, World } from '../support/world.ts'

describe('npm', { skip: withoutCagesOr('npm') }, () => {
  let world: World
  let registry: InternetServer

  before(async () => {
    const tarball = await packTiny()
    world = await World.open(async (internet) => {
      registry = await internet.server('registry.test', { handler: registryOf(tarball) })
    })
    await world.host.write('package.json', '{"name": "app", "version": "1.0.0"}')
  })
  after(() => world.close())

  test('install from a registry that wants a token', async () => {
    const flags =
      '--registry https://registry.test/ "--//registry.test/:_authToken=$API_TOKEN" --no-audit --no-fund --no-update-notifier'
    const { code, stdout, stderr } = await world.cage.sh(`npm install tiny ${flags}`)
    assert.equal(code, 0, stdout + stderr)
    const installed = await readFile(join(world.host.project, 'node_modules/tiny/index.js'), 'utf8')
    assert.equal(installed, 'module.exports = 42\n')
    assert.deepEqual(registry.requests.map(({ url }) => url).toSorted(), ['/tiny', '/tiny/-/tiny-1.0.0.tgz'])
    const records = await world.recordsOf('registry.test')
    assert.equal(records.length, 2)
    for (const { decision, status, secrets_injected } of records)
      assert.deepEqual([decision, status, secrets_injected], ['allowed', 200, [SECRET_NAME]])
  })

  test('run what was installed', async () => {
    const { stdout } = await world.cage.sh('node -p "require(\'tiny\')"')
    assert.equal(stdout, '42\n')
  })
})

async function packTiny(): Promise<Buffer> {
  const folder = await makeFolder()
  await mkdir(join(folder, 'package'))
  await writeFile(join(folder, 'package/package.json'), '{"name": "tiny", "version": "1.0.0"}')
  await writeFile(join(folder, 'package/index.js'), 'module.exports = 42\n')
  const { code, stderr } = await run('tar', ['-czf', 'tiny.tgz', 'package'], { cwd: folder })
  assert.equal(code, 0, stderr)
  const tarball = await readFile(join(folder, 'tiny.tgz'))
  await rm(folder, { recursive: true })
  return tarball
}

function registryOf(tarball: Buffer): Handler {
  const dist = {
    tarball: 'https://registry.test/tiny/-/tiny-1.0.0.tgz',
    integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
  }
  const metadata = {
    name: 'tiny',
    'dist-tags': { latest: '1.0.0' },
    versions: { '1.0.0': { name: 'tiny', version: '1.0.0', dist } },
  }
  return (request, response) => {
    if (request.headers.authorization !== `Bearer ${SECRET}`) response.writeHead(401).end()
    else if (request.url === '/tiny')
      response.setHeader('content-type', 'application/json').end(JSON.stringify(metadata))
    else response.setHeader('content-type', 'application/octet-stream').end(tarball)
  }
}
