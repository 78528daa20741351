/**
 * `google-jwt-bearer` through an egress process: the key of a service account never leaves it, a short-lived token
 * comes where the placeholder stands, and is itself a secret.
 */
import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { once } from 'node:events'
import { describe, test, type TestContext } from 'node:test'
import type { Socket } from 'node:net'
import type { IncomingMessage } from 'node:http'
import { gzipSync } from 'node:zlib'
import type { Handler } from '../../../support/internet.ts'
import { json } from '../../../support/http-response.ts'
import { connectTunnel, get, http2Request, http2Session, rawRequest, tlsOver } from '../../../support/proxy-client.ts'
import { startBed } from '../../bed.ts'
import { startScene, type Scene } from './scene.ts'

const PLACEHOLDER = 'agentcage:secret:GOOGLE_KEY:00112233445566778899aabbccddeeff'
const TOKEN = 'ya29.a0AfB-real-access-token_0123456789'
const { privateKey: PEM } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})
const KEY = JSON.stringify({
  type: 'service_account',
  private_key_id: 'key-1',
  private_key: PEM,
  client_email: 'agent@project.iam.gserviceaccount.com',
})
const BEARER = { Authorization: `Bearer ${PLACEHOLDER}` }

/** Gives the token to whoever brings an assertion that holds. */
const tokenEndpoint: Handler = (_request, response, { url, method, body }) => {
  const form = new URLSearchParams(body.toString())
  const [header = '', payload = '', signature = ''] = (form.get('assertion') ?? '').split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Readonly<Record<string, unknown>>
  const holds =
    method === 'POST' &&
    url === '/token' &&
    form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer' &&
    claims['aud'] === 'https://oauth2.googleapis.com/token' &&
    claims['scope'] === 'https://www.googleapis.com/auth/devstorage.read_only' &&
    verify('sha256', Buffer.from(`${header}.${payload}`), createPublicKey(PEM), Buffer.from(signature, 'base64url'))
  response.statusCode = holds ? 200 : 401
  response.end(JSON.stringify(holds ? { access_token: TOKEN, expires_in: 3599, token_type: 'Bearer' } : {}))
}

const RULE = {
  env: 'GOOGLE_KEY',
  placeholder: PLACEHOLDER,
  inject_to: ['storage.googleapis.com'],
  transform: 'google-jwt-bearer',
  transform_config: { scopes: ['https://www.googleapis.com/auth/devstorage.read_only'] },
}

function start(t: TestContext): Promise<Scene> {
  return startScene(t, {
    hosts: { 'oauth2.googleapis.com': tokenEndpoint, 'storage.googleapis.com': {}, 'other.test': {} },
    allowed: ['storage.googleapis.com', 'other.test'],
    rules: [RULE],
    secrets: { GOOGLE_KEY: KEY },
  })
}

function authorizationAt(scene: Scene, index: number): string | undefined {
  const { rawHeaders } = scene.server('storage.googleapis.com').requests[index] ?? { rawHeaders: [] }
  return rawHeaders[rawHeaders.findIndex((text) => text.toLowerCase() === 'authorization') + 1]
}

describe('a token', () => {
  test('is asked for once, comes where the placeholder stands, and is redacted', async (t) => {
    const scene = await start(t)
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => scene.get('https://storage.googleapis.com/b', { headers: BEARER })),
    )
    for (const [index, answer] of answers.entries()) {
      assert.equal(answer.status, 200, answer.body.toString())
      assert.equal(authorizationAt(scene, index), `Bearer ${TOKEN}`)
      assert.ok((json(answer)['headers'] as readonly string[]).includes(`Bearer ${PLACEHOLDER}`))
    }
    assert.equal(scene.server('oauth2.googleapis.com').requests.length, 1)
    const records = await scene.egress.audit()
    const asked = records.filter(({ host }) => host === 'oauth2.googleapis.com')
    assert.deepEqual(
      asked.map(({ method, path, decision, secrets_injected: names }) => ({ method, path, decision, names })),
      [{ method: 'POST', path: '/token', decision: 'allowed', names: ['GOOGLE_KEY'] }],
    )
    const others = records.filter(({ host }) => host === 'storage.googleapis.com')
    assert.equal(others.length, 8)
    for (const { secrets_injected: injected, secrets_redacted: redacted } of others)
      assert.deepEqual([injected, redacted], [['GOOGLE_KEY'], ['GOOGLE_KEY']])
    await scene.keptQuiet(TOKEN, PEM.slice(100, 140))
  })

  test('with HTTP/2', async (t) => {
    const scene = await start(t)
    const { proxy, ca } = scene.egress
    const session = await http2Session('https://storage.googleapis.com', { proxy, ca })
    t.after(() => session.destroy())
    const { status } = await http2Request(session, { ':path': '/', authorization: BEARER.Authorization })
    assert.equal(status, 200)
    assert.equal(authorizationAt(scene, 0), `Bearer ${TOKEN}`)
    assert.equal(scene.server('storage.googleapis.com').requests[0]?.protocol, 'h2')
  })

  test('in the handshake of a WebSocket', async (t) => {
    const scene = await start(t)
    const upgraded = once(scene.server('storage.googleapis.com').server, 'upgrade') as Promise<
      [IncomingMessage, Socket]
    >
    const socket = await tlsOver(await connectTunnel(scene.egress.proxy, 'storage.googleapis.com:443'), {
      ca: scene.egress.ca,
      servername: 'storage.googleapis.com',
    })
    t.after(() => socket.destroy())
    const handshake = [
      'GET /feed HTTP/1.1',
      'Host: storage.googleapis.com',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      `Authorization: Bearer ${PLACEHOLDER}`,
      '\r\n',
    ]
    const answer = rawRequest(socket, handshake.join('\r\n'))
    const [request, upstream] = await upgraded
    assert.equal(request.headers.authorization, `Bearer ${TOKEN}`)
    upstream.end(`HTTP/1.1 418 No\r\nX-Echo: ${TOKEN}\r\nContent-Length: 0\r\n\r\n`)
    const { rawHeaders } = await answer
    assert.ok(rawHeaders.includes(PLACEHOLDER))
  })

  test('is not asked for by requests without a placeholder', async (t) => {
    const scene = await start(t)
    assert.equal((await scene.get('https://storage.googleapis.com/')).status, 200)
    assert.equal(scene.server('oauth2.googleapis.com').connections, 0)
  })

  test('outlives a change of the configuration', async (t) => {
    const scene = await start(t)
    await scene.get('https://storage.googleapis.com/', { headers: BEARER })
    scene.egress.signal('SIGHUP')
    await scene.egress.says(/configuration reloaded/)
    await scene.get('https://storage.googleapis.com/', { headers: BEARER })
    assert.equal(authorizationAt(scene, 1), `Bearer ${TOKEN}`)
    assert.equal(scene.server('oauth2.googleapis.com').requests.length, 1)
  })
})

test('neither placeholder nor token leaves for elsewhere, nor the private key for anywhere', async (t) => {
  const scene = await start(t)
  const misdirected = await scene.get('https://other.test/', { headers: BEARER })
  await scene.denied(misdirected, { status: 403, code: 'placeholder_misdirected' })
  assert.equal(scene.server('oauth2.googleapis.com').connections, 0)
  for (const host of ['storage.googleapis.com', 'other.test']) {
    for (const body of [KEY, PEM, PEM.replace(/-----[A-Z ]+-----|\n/g, '')]) {
      const answer = await scene.get(`https://${host}/`, { method: 'POST', body })
      await scene.denied(answer, { status: 403, code: 'secret_literal' })
    }
  }
  assert.equal(scene.server('storage.googleapis.com').connections, 0)
  await scene.get('https://storage.googleapis.com/', { headers: BEARER })
  for (const spelling of [TOKEN, encodeURIComponent(TOKEN)]) {
    const answer = await scene.get('https://other.test/', { method: 'POST', body: `x=${spelling}` })
    const { reason } = await scene.denied(answer, { status: 403, code: 'secret_literal' })
    assert.equal(reason, 'literal secret value GOOGLE_KEY found in outbound request to other.test')
  }
  assert.equal(scene.server('other.test').connections, 0)
})

describe('an endpoint that gives no token', () => {
  const SAID = 'what-the-endpoint-said-of-hunter2'
  const answers: Readonly<Record<string, readonly [Handler, RegExp]>> = {
    'an error': [
      (_request, response) => {
        response.statusCode = 400
        response.end(JSON.stringify({ error: 'invalid_grant', error_description: SAID }))
      },
      /oauth2\.googleapis\.com:443 answered 400/,
    ],
    'a redirect': [
      (_request, response) => {
        response.writeHead(307, { Location: 'https://other.test/token' })
        response.end(SAID)
      },
      /answered 307/,
    ],
    'no JSON': [(_request, response) => void response.end(SAID), /did not answer with a token/],
    'a token with a line break': [
      (_request, response) => void response.end(JSON.stringify({ access_token: `${SAID}\r\nX: y` })),
      /did not answer with a token/,
    ],
    'a compressed answer': [
      (_request, response) => {
        response.setHeader('Content-Encoding', 'gzip')
        response.end(gzipSync(JSON.stringify({ access_token: SAID })))
      },
      /did not answer with a token/,
    ],
    'an endless answer': [
      (_request, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536, 'x')));
          if (!response.destroyed) response.once('drain', more)
        }
        more()
      },
      /did not answer with a token/,
    ],
    'a connection that breaks': [(request) => void request.socket.destroy(), /could not be asked/],
    'a token that holds the placeholder': [
      (_request, response) => void response.end(JSON.stringify({ access_token: `x${PLACEHOLDER}` })),
      /cannot be told from other secrets/,
    ],
  }
  for (const [what, [handler, reason]] of Object.entries(answers)) {
    test(`${what} is a denial that says nothing of it`, async (t) => {
      const bed = await startBed(t, {
        hosts: { 'oauth2.googleapis.com': handler, 'storage.googleapis.com': {}, 'other.test': {} },
        config: { secret_injection: [RULE] },
        secrets: { GOOGLE_KEY: KEY },
      })
      const { proxy, ca } = bed
      const answer = await get('https://storage.googleapis.com/', { proxy, ca, headers: BEARER })
      const host = 'storage.googleapis.com'
      const record = bed.denied(answer, { status: 502, code: 'secret_unusable', host })
      assert.match(record.reason, reason)
      const said = answer.body.toString() + JSON.stringify(bed.records) + bed.messages.join('\n')
      for (const text of [SAID, PEM.slice(100, 140)]) assert.ok(!said.includes(text))
      assert.equal(bed.server(host).connections + bed.server('other.test').connections, 0)
    })
  }

  test('one with a certificate of another host is not asked', async (t) => {
    const { proxy, ca, ...bed } = await startBed(t, {
      hosts: {
        'oauth2.googleapis.com': { handler: tokenEndpoint, certificate: 'wrong-name' },
        'storage.googleapis.com': {},
      },
      config: { secret_injection: [RULE] },
      secrets: { GOOGLE_KEY: KEY },
    })
    const answer = await get('https://storage.googleapis.com/', { proxy, ca, headers: BEARER })
    assert.equal(answer.status, 502)
    assert.match(bed.messages.join(), /could not be asked/)
  })
})
