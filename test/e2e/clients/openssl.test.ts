/**
 * `openssl s_client` in a cage. It reads neither proxy variables nor URLs: it opens a connection and speaks TLS on it.
 * It meets a leaf of the cage's authority, verified by what it trusts anyway, and speaks HTTP with the egress.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { InternetServer } from '../../support/internet.ts'
import { withoutCagesOr } from '../support/cage.ts'
import { assertProtected, World } from '../support/world.ts'

const request = (host: string): string =>
  `printf 'GET / HTTP/1.1\\r\\nHost: ${host}\\r\\nX-Api-Key: %s\\r\\nConnection: close\\r\\n\\r\\n' "$API_TOKEN"`

describe('openssl s_client', { skip: withoutCagesOr('openssl') }, () => {
  let world: World
  let server: InternetServer

  before(async () => {
    world = await World.open(async (internet) => {
      server = await internet.server('openssl.test')
      await internet.server('front.test')
    })
  })
  after(() => world.close())

  test('a request over a verified connection', async () => {
    const client =
      'openssl s_client -quiet -verify_return_error -verify_hostname openssl.test -connect openssl.test:443'
    const { stdout, stderr } = await world.cage.sh(
      `${request('openssl.test')} | ${client} -servername openssl.test -ign_eof`,
    )
    assert.match(stdout, /^HTTP\/1\.1 200 /, stderr)
    const [record] = await world.recordsOf('openssl.test')
    assertProtected(server.requests[0], stdout, record)
  })

  test('another name in Host than in the ClientHello is refused (domain fronting)', async () => {
    const client = 'openssl s_client -quiet -connect front.test:443 -servername front.test -ign_eof'
    const { stdout, stderr } = await world.cage.sh(`${request('openssl.test')} | ${client}`)
    assert.match(stdout, /^HTTP\/1\.1 403 /, stderr)
    assert.match(stdout, /SNI\/Host header mismatch/)
    assert.equal(server.requests.length, 1)
  })

  test('a ClientHello without a name gets no handshake', async () => {
    const { code, stdout } = await world.cage.sh(
      'openssl s_client -connect 203.0.113.7:443 -noservername </dev/null 2>&1',
    )
    assert.notEqual(code, 0)
    assert.doesNotMatch(stdout, /BEGIN CERTIFICATE/)
    const records = (await world.host.audit()).filter(({ protocol }) => protocol === 'tls')
    assert.deepEqual(
      records.map(({ decision, reason, port }) => [decision, reason, port]),
      [['blocked', 'TLS without a server name', 443]],
    )
  })
})
