/**
 * curl in a cage: over HTTP/1.1, HTTP/2 and plain HTTP, by the proxy it was told of and past it. Each request gets the
 * secret on its way out, its answer gets the placeholder back, and each is on record.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { InternetServer } from '../../support/internet.ts'
import { withoutCagesOr } from '../support/cage.ts'
import { assertProtected, World } from '../support/world.ts'

/** Each case has a host of its own. */
const CASES = [
  { name: 'HTTP/1.1 by the proxy', host: 'h1.test', flags: '--http1.1', scheme: 'https', protocol: 'http/1.1' },
  { name: 'HTTP/2 by the proxy', host: 'h2.test', flags: '--http2', scheme: 'https', protocol: 'h2' },
  {
    name: 'HTTP/1.1 past the proxy',
    host: 'h1-past.test',
    flags: "--http1.1 --noproxy '*'",
    scheme: 'https',
    protocol: 'http/1.1',
  },
  {
    name: 'HTTP/2 past the proxy',
    host: 'h2-past.test',
    flags: "--http2 --noproxy '*'",
    scheme: 'https',
    protocol: 'h2',
  },
  { name: 'plain HTTP by the proxy', host: 'plain.test', flags: '', scheme: 'http', protocol: 'http/1.1' },
  {
    name: 'plain HTTP past the proxy',
    host: 'plain-past.test',
    flags: "--noproxy '*'",
    scheme: 'http',
    protocol: 'http/1.1',
  },
  {
    name: 'SOCKS5 with the name',
    host: 'socks.test',
    flags: '--proxy socks5h://198.18.0.1:3128',
    scheme: 'https',
    protocol: 'h2',
  },
] as const

describe('curl', { skip: withoutCagesOr('curl') }, () => {
  let world: World
  const servers = new Map<string, InternetServer>()

  before(async () => {
    world = await World.open(async (internet) => {
      for (const { host, scheme } of CASES) servers.set(host, await internet.server(host, { kind: scheme }))
      servers.set('other.test', await internet.server('other.test'))
    })
  })
  after(() => world.close())

  for (const { name, host, flags, scheme, protocol } of CASES) {
    test(name, async () => {
      const script = `curl -sS --fail ${flags} -H "Authorization: Bearer $API_TOKEN" -d 'some=form' ${scheme}://${host}/path?q=1`
      const { code, stdout, stderr } = await world.cage.sh(script)
      assert.equal(code, 0, stderr)
      const arrived = servers.get(host)?.requests[0]
      const [record, ...more] = await world.recordsOf(host)
      assertProtected(arrived, stdout, record)
      assert.deepEqual(more, [])
      assert.equal(arrived?.protocol, protocol)
      assert.equal(arrived?.body.toString(), 'some=form')
      assert.deepEqual(
        [record.protocol, record.method, record.url, record.status, record.port],
        [protocol, 'POST', `${scheme}://${host}/path?q=1`, 200, scheme === 'https' ? 443 : 80],
      )
    })
  }

  test('a host that is not listed is refused with a reason, by the proxy and past it', async () => {
    for (const flags of ['', "--noproxy '*'"]) {
      const { stdout } = await world.cage.sh(`curl -sS ${flags} -w '%{http_code}' https://evil.example/`)
      assert.match(stdout, /"blocked":\s*true/)
      assert.match(stdout, /403$/)
    }
    const records = await world.recordsOf('evil.example')
    assert.ok(records.length >= 2)
    for (const { decision } of records) assert.equal(decision, 'blocked')
  })

  test('a certificate for the name that was asked for is shown, and no other is accepted', async () => {
    const right = await world.cage.sh("curl -sSv --noproxy '*' https://other.test/ -o /dev/null")
    assert.equal(right.code, 0, right.stderr)
    assert.match(right.stderr, /subjectAltName: host "other\.test" matched/)
    const wrong = await world.cage.sh('curl -sS --cacert /dev/null https://other.test/')
    assert.notEqual(wrong.code, 0)
  })
})
