/**
 * `agentcage run` and where values come from: a file outside of the project that changes while the workload runs, and
 * nothing that the workload itself could have written.
 */
import assert from 'node:assert/strict'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { CageHost, withoutCages, withoutCagesOr } from '../support/cage.ts'
import { World } from '../support/world.ts'

const PLACEHOLDER = 'agentcage-placeholder-for-tests'
const FIRST = 'first-value-1234567890'
const SECOND = 'second-value-1234567890'

test('a value that changes is the one of the next request', { skip: withoutCagesOr('curl') }, async (t) => {
  const servers: { readonly requests: readonly { readonly rawHeaders: readonly string[] }[] }[] = []
  const world = await World.open(
    async (internet) => void servers.push(await internet.server('api.test')),
    {
      secret_injection: [{ env: 'API_TOKEN', placeholder: PLACEHOLDER, inject_to: ['api.test'], source: 'file:token' }],
    },
    (host) => writeFile(join(host.folder, 'token'), FIRST, { mode: 0o600 }),
  )
  t.after(() => world.close())
  const { cage, host } = world
  const arriving = async (): Promise<string | undefined> => {
    const { code, stdout, stderr } = await cage.sh(
      'curl -sS --fail -H "Authorization: Bearer $API_TOKEN" https://api.test/',
    )
    assert.equal(code, 0, stderr)
    assert.ok(stdout.includes(PLACEHOLDER), stdout)
    return servers[0]?.requests.at(-1)?.rawHeaders.find((text) => text.startsWith('Bearer '))
  }
  assert.equal(await arriving(), `Bearer ${FIRST}`)
  await writeFile(join(host.folder, 'token.new'), SECOND, { mode: 0o600 })
  await rename(join(host.folder, 'token.new'), join(host.folder, 'token'))
  while (!cage.stderr.includes('new values in force: API_TOKEN')) await setTimeout(20)
  assert.equal(await arriving(), `Bearer ${SECOND}`)
})

describe('nothing starts', { skip: withoutCages }, () => {
  const inject_to = ['api.test']
  const cases = [
    {
      what: 'with a value in the project',
      rule: { source: 'file:home/project/token' },
      says: /error: secret API_TOKEN: \S+\/token is within the workload's reach/,
    },
    {
      what: 'with a program in the project',
      rule: { source: 'cmd:home/project/vault get' },
      says: /error: secret API_TOKEN: \S+\/vault is within the workload's reach/,
    },
    {
      what: 'with a value in a volume',
      rule: { source: 'file:~/notes/token' },
      says: /error: secret API_TOKEN: \S+\/token is within the workload's reach/,
    },
    {
      what: 'with a source that has no value',
      rule: { source: 'env:NOT_SET' },
      says: /error: secret API_TOKEN, source env:NOT_SET: the variable is not set/,
      code: 1,
    },
  ]
  for (const { what, rule, says, code = 2 } of cases) {
    test(what, async () => {
      await using host = await CageHost.open({
        config: {
          secret_injection: [{ env: 'API_TOKEN', inject_to, ...rule }],
          container: { volumes: ['~/notes:/notes:ro'] },
        },
        env: { API_TOKEN: 'not-to-be-fallen-back-to' },
      })
      await writeFile(join(host.project, 'token'), FIRST, { mode: 0o600 })
      await host.write('../notes/token', FIRST, 0o600)
      await host.write('vault', '#!/bin/sh\ntouch ran; echo planted', 0o755)
      const result = await host.run(['touch', 'started'])
      assert.equal(result.code, code, result.stderr)
      assert.match(result.stderr, says)
    })
  }

  test('with a command in a configuration that lies in the project', async () => {
    await using host = await CageHost.open()
    const source = `cmd:touch ${join(host.folder, 'ran')}`
    const path = await host.write(
      'cage.yaml',
      JSON.stringify({ secret_injection: [{ env: 'API_TOKEN', inject_to, source }] }),
    )
    const { code, stderr } = await host.agentcage(['run', '-c', path, '--', 'true'])
    assert.equal(code, 2, stderr)
    assert.match(stderr, /cage\.yaml is within the workload's reach, so it cannot name a command/)
  })
})
