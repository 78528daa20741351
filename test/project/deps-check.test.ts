/** `npm run deps:check`: what it makes of npm's answer and of a registry's. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { newerImage } from '../../scripts/deps/image.ts'
import { findingsIn } from '../../scripts/deps/packages.ts'
import { FALLBACK_BASE } from '../../src/isolation/container/image/containerfile.ts'

const NOW = `sha256:${'ab'.repeat(32)}`

test('packages that are outdated, one installed twice among them; what is not installed is passed over', () => {
  const said = {
    yaml: { current: '2.9.1', wanted: '2.9.1', latest: '2.9.2', dependent: 'agentcage' },
    debug: [
      { current: '4.0.0', wanted: '4.0.0', latest: '5.0.0' },
      { current: '5.0.0', wanted: '5.0.0', latest: '5.0.0' },
    ],
    optional: { wanted: '1.0.0', latest: '1.0.0' },
  }
  assert.deepEqual(findingsIn(JSON.stringify(said)), [
    { name: 'yaml', pinned: '2.9.1', newest: '2.9.2' },
    { name: 'debug', pinned: '4.0.0', newest: '5.0.0' },
  ])
  assert.deepEqual(findingsIn('{}'), [])
  assert.deepEqual(findingsIn(''), [])
})

test('what is no answer is an error with the words of npm', () => {
  assert.throws(() => findingsIn('{"error":{"code":"ENOTFOUND"}}', 'npm error getaddrinfo'), /npm error getaddrinfo/)
  assert.throws(() => findingsIn('oops'), /oops/)
})

test('a tag that moved is found, one that did not is not, with the token that the registry asks for', async (t) => {
  const origin = await registry(t)
  const pinned = `registry.test/library/node:24@sha256:${'00'.repeat(32)}`
  assert.deepEqual(await newerImage(pinned, () => origin), [
    { name: 'registry.test/library/node:24', pinned: `sha256:${'00'.repeat(32)}`, newest: NOW },
  ])
  assert.deepEqual(await newerImage(`registry.test/library/node:24@${NOW}`, () => origin), [])
  await assert.rejects(
    newerImage(`registry.test/none:1@${NOW}`, () => origin),
    /answers 404/,
  )
  await assert.rejects(newerImage('registry.test/node:24'), /does not pin/)
})

test('the base of the egress’s image is pinned so that it can be asked for', async (t) => {
  const origin = await registry(t)
  assert.equal((await newerImage(FALLBACK_BASE, () => origin)).length, 1)
})

/** Yields where it is. */
async function registry(t: TestContext): Promise<string> {
  const server = createServer((request, response) => {
    const { url = '', headers } = request
    if (url.startsWith('/token?'))
      return response.end(JSON.stringify({ token: url.includes('scope=pull') ? 'let' : 'no' }))
    if (headers.authorization !== 'Bearer let') {
      response.setHeader('www-authenticate', `Bearer realm="${origin}/token",service="here",scope="pull"`)
      return response.writeHead(401).end()
    }
    if (!url.startsWith('/v2/library/node/manifests/24')) return response.writeHead(404).end()
    return response.writeHead(200, { 'docker-content-digest': NOW }).end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return origin
}
