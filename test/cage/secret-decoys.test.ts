/**
 * `format: like`: a placeholder that looks like a live key passes where it is replaced, whatever the `secrets` inspector
 * thinks of its looks, is refused everywhere else, and stays when the configuration is read again.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { startEgress } from '../support/egress-process.ts'
import { json } from '../support/http-response.ts'
import { startInternet } from '../support/internet.ts'
import { get } from '../support/proxy-client.ts'
import { withFolder } from '../support/temporary.ts'

/** In pieces, so that no scanner takes this file for a leak. */
const VALUES = {
  ANTHROPIC: ['sk-', 'ant-api03-a9Wfs0k4b1Qx9WfG0k4V1QxqWfGik4VjQxq8fGiR4Vjexq8NGiRtVjeKq8AA'].join(''),
  GITHUB: ['ghp', 'a9Wfs0k4b1Qx9WfG0k4V1QxqWfGik4VjQxq8'].join('_'),
  AWS: ['AKIA', 'QV2ZBQV2KBQV7KBQ'].join(''),
  PLAIN: 'Xk29dLmQ81vbZr04TnWy',
} as const

const NAMES = Object.keys(VALUES) as (keyof typeof VALUES)[]

test('decoys, on the way to their host and to others, and after a reload', async (t) => {
  const home = await withFolder(t)
  const internet = await startInternet()
  t.after(() => internet.close())
  const api = await internet.server('api.test')
  const other = await internet.server('other.test')
  const config = {
    name: 'box',
    domains: { list: ['api.test', 'other.test'] },
    rate_limit: { requests_per_second: 0 },
    upstream: internet.upstream,
    secret_injection: NAMES.map((env) => ({ env, inject_to: ['api.test'], format: 'like', inject_body: true })),
  }
  const egress = await startEgress(t, config, { env: { HOME: home, ...VALUES } })
  const state = dirname(egress.auditPath)
  const kept = await readFile(join(state, 'placeholders.json'), 'utf8')
  const decoys = JSON.parse(kept) as Readonly<Record<string, { readonly like: string }>>
  const client = { proxy: egress.proxy, ca: egress.ca }
  for (const name of NAMES) {
    const decoy = decoys[name]?.like ?? ''
    assert.equal(decoy.length, VALUES[name].length)
    assert.notEqual(decoy, VALUES[name])

    const answer = await get(`https://api.test/?key=${decoy}`, { ...client, headers: { 'X-Api-Key': decoy } })
    assert.equal(answer.status, 200, answer.body.toString())
    const arrived = api.requests.at(-1)
    assert.ok(arrived !== undefined && arrived.rawHeaders.includes(VALUES[name]))
    assert.equal(arrived.url, `/?key=${VALUES[name]}`)
    assert.equal(answer.body.includes(VALUES[name]), false)
    assert.ok(answer.body.includes(decoy), 'the answer shows the decoy')

    const refused = await get(`https://other.test/?key=${decoy}`, client)
    assert.deepEqual([refused.status, json(refused)['code']], [403, 'placeholder_misdirected'])
  }
  assert.equal(other.requests.length, 0)
  egress.signal('SIGHUP')
  await egress.says(/configuration reloaded/)
  assert.equal(await readFile(join(state, 'placeholders.json'), 'utf8'), kept)
})
