/**
 * Node's own clients in a cage: `fetch`, `http` and `https`. Told of the proxy by NODE_USE_ENV_PROXY they ask it; where
 * the variables are gone, their connections are captured all the same.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { InternetServer } from '../../support/internet.ts'
import { withoutCages } from '../support/cage.ts'
import { WITHOUT_PROXY } from '../support/session.ts'
import { assertProtected, World } from '../support/world.ts'

const FETCH = `
  const [url] = process.argv.slice(-1)
  const headers = { authorization: 'Bearer ' + process.env.API_TOKEN }
  const response = await fetch(url, { method: 'PUT', headers, body: 'text' })
  console.log(response.status, await response.text())
`

const REQUEST = `
  import { once } from 'node:events'
  const [url] = process.argv.slice(-1)
  const client = await import(url.startsWith('https:') ? 'node:https' : 'node:http')
  const headers = { authorization: 'Bearer ' + process.env.API_TOKEN }
  const request = client.request(url, { method: 'PUT', headers })
  request.end('text')
  const [response] = await once(request, 'response')
  console.log(response.statusCode, (await response.toArray()).join(''))
`

const CASES = [
  { name: 'fetch by the proxy', host: 'fetch.test', program: FETCH, scheme: 'https', env: {} },
  {
    name: 'fetch without proxy variables',
    host: 'fetch-past.test',
    program: FETCH,
    scheme: 'https',
    env: WITHOUT_PROXY,
  },
  { name: 'fetch of plain HTTP', host: 'fetch-plain.test', program: FETCH, scheme: 'http', env: {} },
  { name: 'https by the proxy', host: 'https.test', program: REQUEST, scheme: 'https', env: {} },
  {
    name: 'https without proxy variables',
    host: 'https-past.test',
    program: REQUEST,
    scheme: 'https',
    env: WITHOUT_PROXY,
  },
  { name: 'http by the proxy', host: 'http.test', program: REQUEST, scheme: 'http', env: {} },
  {
    name: 'http without proxy variables',
    host: 'http-past.test',
    program: REQUEST,
    scheme: 'http',
    env: WITHOUT_PROXY,
  },
] as const

describe('Node', { skip: withoutCages }, () => {
  let world: World
  const servers = new Map<string, InternetServer>()

  before(async () => {
    world = await World.open(async (internet) => {
      for (const { host, scheme } of CASES) servers.set(host, await internet.server(host, { kind: scheme }))
    })
  })
  after(() => world.close())

  for (const { name, host, program, scheme, env } of CASES) {
    test(name, async () => {
      const url = `${scheme}://${host}/put`
      const { code, stdout, stderr } = await world.cage.run(['node', '--input-type=module', '-e', program, url], {
        env,
      })
      assert.equal(code, 0, stderr)
      assert.match(stdout, /^200 /)
      const [record, ...more] = await world.recordsOf(host)
      const arrived = servers.get(host)?.requests[0]
      assertProtected(arrived, stdout, record)
      assert.deepEqual(more, [])
      assert.equal(arrived?.body.toString(), 'text')
      assert.deepEqual([record.method, record.url, record.status], ['PUT', url, 200])
    })
  }
})
