/** Where there is no WebAssembly, as under `--jitless`, long bodies are looked at all the same, and nothing more gets through. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configSchema } from '../../../src/config/schema.ts'
import { makeRuling } from '../../../src/egress/ruling.ts'
import { passesFor } from '../../../src/egress/simd/passes.ts'
import type { Hostname } from '../../../src/policy/host.ts'
import type { Placeholder } from '../../../src/secrets/placeholders.ts'
import { Secret } from '../../../src/secrets/secret.ts'

const SIZE = 100_000
const PLACEHOLDER = `agentcage:secret:KEY:${'0f'.repeat(16)}` as Placeholder
const VALUE = `value-${'Xy7'.repeat(9)}`

test('credentials, placeholders and values are found and redacted', async () => {
  Reflect.deleteProperty(globalThis, 'WebAssembly')
  assert.equal(passesFor(SIZE), undefined)
  const config = configSchema.parse({ domains: { list: [{ host: 'api.test' }] } })
  const binding = {
    name: 'KEY',
    placeholder: PLACEHOLDER,
    value: new Secret('KEY', VALUE),
    injectTo: [{ host: 'other.test' as Hostname }],
    injectHeaders: new Set<string>(),
    injectBody: false,
  }
  const { ruling } = await makeRuling(config, [binding], () => new Date())
  const codeFor = async (text: string): Promise<string | undefined> => {
    const { denial } = await ruling.chain.inspectRequest({
      direction: 'outbound',
      protocol: 'http/1.1',
      method: 'POST',
      url: 'https://api.test/',
      host: 'api.test' as Hostname,
      port: 443,
      path: '/',
      contentType: 'text/plain',
      priorResults: [],
      headers: ['Content-Type', 'text/plain'],
      body: Buffer.from(`${'nothing here. '.repeat(SIZE / 14)}${text}`),
    })
    return denial?.code
  }
  assert.equal(await codeFor('at all'), undefined)
  assert.equal(await codeFor(['AKIA', 'Q3EGR7ZPLW2XN5TB'].join('')), 'inspector_blocked')
  assert.equal(await codeFor(PLACEHOLDER), 'placeholder_misdirected')
  assert.equal(await codeFor(VALUE), 'secret_literal')

  const redactor = ruling.secrets.bodyRedactor()
  const answer = Buffer.from(`${'plain, '.repeat(SIZE / 7)}${VALUE}`)
  const passed = Buffer.concat([redactor.push(answer), redactor.end()]).toString()
  assert.equal(passed, answer.toString().replace(VALUE, PLACEHOLDER))
})
