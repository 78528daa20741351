/**
 * `oauth2-refresh` through an egress process: refresh token and client secret never leave but for the token endpoint,
 * short-lived tokens stand where placeholders do, a new refresh token is kept for the next start, and a workload that
 * asks the token endpoint itself gets placeholders.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join, dirname } from 'node:path'
import { test } from 'node:test'
import { json } from '../../../support/http-response.ts'
import { get } from '../../../support/proxy-client.ts'
import type { Handler } from '../../../support/internet.ts'
import { secretsFolder } from '../../../../src/system/paths.ts'
import { startBed } from '../../bed.ts'
import { startScene } from './scene.ts'

const PLACEHOLDER = 'agentcage:secret:LOGIN:00112233445566778899aabbccddeeff'
const CLIENT_SECRET = 'client secret: with %/&'
const FIRST = 'refresh-token-0-given'
const GIVEN = JSON.stringify({ refresh_token: FIRST, client_id: 'the client', client_secret: CLIENT_SECRET })
const RULE = {
  env: 'LOGIN',
  placeholder: PLACEHOLDER,
  inject_to: ['api.test'],
  transform: 'oauth2-refresh',
  transform_config: { token_url: 'https://login.test/oauth/token', scopes: ['read', 'write'] },
}
const BEARER = { Authorization: `Bearer ${PLACEHOLDER}` }

/** Takes each refresh token once, and gives the next with numbered tokens. */
function rotating(): Handler {
  let count = 0
  let expected = FIRST
  return (_request, response, { method, body }) => {
    const form = Object.fromEntries(new URLSearchParams(body.toString()))
    const wanted = {
      grant_type: 'refresh_token',
      refresh_token: expected,
      scope: 'read write',
      client_id: 'the client',
      client_secret: CLIENT_SECRET,
    }
    if (method !== 'POST' || JSON.stringify(form) !== JSON.stringify(wanted)) {
      response.statusCode = 400
      return void response.end(JSON.stringify({ error: 'invalid_grant', error_description: 'hunter2' }))
    }
    count += 1
    expected = `refresh-token-${count}-rotated`
    response.end(
      JSON.stringify({
        access_token: `access-token-${count}-real`,
        expires_in: 3600,
        refresh_token: expected,
        id_token: `head.payload-${count}.signature`,
        scope: `read ${expected}`,
        device_secret: 'a-secret-that-nobody-expects',
      }),
    )
  }
}

test('access tokens are put in, and a new refresh token is kept for the next start', async (t) => {
  const scene = await startScene(t, {
    hosts: { 'login.test': rotating(), 'api.test': {} },
    allowed: ['api.test'],
    rules: [RULE],
    secrets: { LOGIN: GIVEN },
  })
  const answers = await Promise.all(
    Array.from({ length: 4 }, () => scene.get('https://api.test/', { headers: BEARER })),
  )
  for (const answer of answers) assert.equal(answer.status, 200, answer.body.toString())
  const [arrived] = scene.server('api.test').requests
  assert.ok(arrived?.rawHeaders.includes('Bearer access-token-1-real'))
  assert.equal(scene.server('login.test').requests.length, 1)
  const HOME = dirname(scene.egress.configPath)
  const kept = await readFile(join(secretsFolder('egress', { HOME }), 'LOGIN'), 'utf8')
  assert.deepEqual(JSON.parse(kept), { ...JSON.parse(GIVEN), refresh_token: 'refresh-token-1-rotated' })
  // That it was kept is a change of a value, but none that ends a token.
  await scene.egress.says(/new values in force: LOGIN/)
  assert.equal((await scene.get('https://api.test/', { headers: BEARER })).status, 200)
  assert.equal(scene.server('login.test').requests.length, 1)
  for (const value of [FIRST, 'refresh-token-1-rotated', CLIENT_SECRET]) {
    const answer = await scene.get('https://api.test/', { method: 'POST', body: value })
    await scene.denied(answer, { status: 403, code: 'secret_literal' })
  }
  await scene.keptQuiet(FIRST, 'refresh-token-1-rotated', CLIENT_SECRET, 'access-token-1-real')
})

test('a workload that asks the token endpoint itself gets placeholders', async (t) => {
  const bed = await startBed(t, {
    hosts: { 'login.test': rotating(), 'api.test': {} },
    config: { secret_injection: [RULE] },
    secrets: { LOGIN: GIVEN },
  })
  const { proxy, ca } = bed
  const refresh = (contentType: string, body: string): ReturnType<typeof get> =>
    get('https://login.test/oauth/token', { proxy, ca, method: 'POST', headers: { 'Content-Type': contentType }, body })
  const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: PLACEHOLDER, client_id: 'any' })
  const answer = await refresh('application/x-www-form-urlencoded', form.toString())
  assert.equal(answer.status, 200, answer.body.toString())
  const tokens = json(answer)
  const idPlaceholder = tokens['id_token']
  assert.ok(typeof idPlaceholder === 'string' && /^agentcage:secret:LOGIN\.id_token:[0-9a-f]{32}$/.test(idPlaceholder))
  assert.ok(Number(tokens['expires_in']) > 3500)
  assert.deepEqual(
    { ...tokens, expires_in: 0, id_token: '' },
    {
      access_token: PLACEHOLDER,
      token_type: 'Bearer',
      expires_in: 0,
      refresh_token: PLACEHOLDER,
      id_token: '',
      scope: `read ${PLACEHOLDER}`,
    },
  )

  const headers = { ...BEARER, 'X-Id-Token': idPlaceholder }
  const used = await get('https://api.test/', { proxy, ca, headers })
  assert.equal(used.status, 200, used.body.toString())
  assert.ok(!used.body.includes('access-token-1-real') && !used.body.includes('payload-1'))
  const [arrived] = bed.server('api.test').requests
  assert.ok(arrived?.rawHeaders.includes('Bearer access-token-1-real'))
  assert.ok(arrived?.rawHeaders.includes('head.payload-1.signature'))

  // Young as it is, the token is given again; in JSON the question is the same.
  const again = await refresh('application/json', JSON.stringify(Object.fromEntries(form)))
  assert.deepEqual(json(again)['access_token'], PLACEHOLDER)
  assert.equal(bed.server('login.test').requests.length, 1)
  const records = bed.records.filter(({ host }) => host === 'login.test')
  assert.deepEqual(
    records.map(({ decision, secrets_injected: names }) => [decision, names]),
    Array.from({ length: 3 }, () => ['allowed', ['LOGIN']]),
  )
})

test('another question at the token endpoint is passed on as it is; a dead refresh token says nothing', async (t) => {
  const bed = await startBed(t, {
    hosts: { 'login.test': rotating(), 'api.test': {} },
    config: { secret_injection: [RULE] },
    secrets: { LOGIN: GIVEN.replace(FIRST, 'refresh-token-that-is-dead') },
  })
  const { proxy, ca } = bed
  const body = `grant_type=authorization_code&code=${PLACEHOLDER}`
  const url = 'https://login.test/oauth/token'
  const passed = await get(url, { proxy, ca, method: 'POST', body })
  assert.equal(passed.status, 400)
  assert.equal(bed.server('login.test').requests[0]?.body.toString(), body)
  const large = `grant_type=refresh_token&refresh_token=${PLACEHOLDER}${'&a=b'.repeat(20_000)}`
  assert.equal((await get(url, { proxy, ca, method: 'POST', body: large })).status, 400)
  assert.equal(bed.server('login.test').requests[1]?.body.toString(), large, 'too large to be taken apart')
  const elsewhere = await get('https://login.test/revoke', { proxy, ca, method: 'POST', body })
  bed.denied(elsewhere, { status: 403, code: 'placeholder_misdirected', host: 'login.test' })
  const answer = await get('https://api.test/', { proxy, ca, headers: BEARER })
  const { reason } = bed.denied(answer, { status: 502, code: 'secret_unusable', host: 'api.test' })
  assert.equal(reason, 'no token for LOGIN: login.test:443 answered 400')
  assert.ok(!JSON.stringify(bed.records).includes('hunter2'))
  assert.equal(bed.server('api.test').connections, 0)
})

test('attack: a token that was minted leaves in pieces', async (t) => {
  const token = 'tok-a7Rk2Xq9Zt4Lm8Wc3Vb6Nf5Hj1PdGsYeQuTi'
  const login: Handler = (_request, response) =>
    void response.end(JSON.stringify({ access_token: token, expires_in: 3600 }))
  const bed = await startBed(t, {
    hosts: { 'login.test': login, 'api.test': {}, 'other.test': {} },
    config: { secret_injection: [RULE] },
    secrets: { LOGIN: GIVEN },
  })
  const { proxy, ca } = bed
  assert.equal((await get('https://api.test/', { proxy, ca, headers: BEARER })).status, 200)
  const statuses: number[] = []
  for (const piece of token.match(/.{1,10}/g) ?? [])
    statuses.push((await get(`https://other.test/?m=${piece}`, { proxy, ca })).status)
  assert.deepEqual([statuses[0], statuses.includes(403)], [200, true])
  assert.ok(
    bed.records.some(
      ({ code, reason }) => code === 'secret_literal' && reason.startsWith('secret LOGIN sent in pieces'),
    ),
  )
})
