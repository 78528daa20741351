/** wget in a cage, by the proxy it was told of and past it. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { InternetServer } from '../../support/internet.ts'
import { withoutCagesOr } from '../support/cage.ts'
import { assertProtected, World } from '../support/world.ts'

const CASES = [
  { name: 'by the proxy', host: 'wget.test', flags: '' },
  { name: 'past the proxy', host: 'wget-past.test', flags: '--no-proxy' },
] as const

describe('wget', { skip: withoutCagesOr('wget') }, () => {
  let world: World
  const servers = new Map<string, InternetServer>()

  before(async () => {
    world = await World.open(async (internet) => {
      for (const { host } of CASES) servers.set(host, await internet.server(host))
    })
  })
  after(() => world.close())

  for (const { name, host, flags } of CASES) {
    test(name, async () => {
      const script = `wget -q -O - ${flags} --header "X-Api-Key: $API_TOKEN" https://${host}/file`
      const { code, stdout, stderr } = await world.cage.sh(script)
      assert.equal(code, 0, stderr)
      const [record, ...more] = await world.recordsOf(host)
      assertProtected(servers.get(host)?.requests[0], stdout, record)
      assert.deepEqual(more, [])
      assert.deepEqual([record.method, record.url, record.status], ['GET', `https://${host}/file`, 200])
    })
  }

  test('a host that is not listed is refused', async () => {
    const { code, stderr } = await world.cage.sh('wget -O - https://evil.example/ 2>&1 1>/dev/null')
    assert.notEqual(code, 0, stderr)
    const records = await world.recordsOf('evil.example')
    assert.deepEqual(new Set(records.map(({ decision }) => decision)), new Set(['blocked']))
  })
})
