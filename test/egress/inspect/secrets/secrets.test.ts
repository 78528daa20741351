/**
 * Credentials leave for nobody but who issued them, or whom the configuration names: in the URL, the host, header
 * fields, the body or a message, in any encoding. The reason names the pattern and never the value. What cannot be
 * looked at is blocked or flagged, never passed in silence.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { parseConfig } from '../../../../src/config/load.ts'
import { configProblems } from '../../../config/config-problems.ts'
import type { InspectionContext, Verdict } from '../../../../src/egress/inspect/inspector.ts'
import { secretsInspector, type SecretsOptions } from '../../../../src/egress/inspect/secrets.ts'
import { secretsOptions } from '../../../../src/egress/inspect/secrets-options.ts'
import type { Hostname } from '../../../../src/policy/host.ts'
import { ENCODERS } from '../decode/encodings.ts'
import { DEFAULT_DECODING } from '../default-decoding.ts'

const GITHUB = `gh${'p_'}a7Rk2Xq9Zt4Lm8Wc3Vb6Nf5Hj1PdGsYeQuTi`
const AWS = `AK${'IA'}QXMZKRPVTWNBHJ27`
const BLOCKED = { kind: 'block', reason: 'secret detected: github_token', severity: 'critical' }

const DEFAULTS: SecretsOptions = {
  action: 'block',
  undecodable: 'block',
  decoding: DEFAULT_DECODING,
  builtinAllow: true,
  allow: new Map(),
  extra: [],
  exempt: [],
}

function hosts(...names: string[]): readonly Hostname[] {
  return names as Hostname[]
}

type Sent = Partial<Omit<InspectionContext, 'body' | 'host'>> & {
  readonly host?: string
  readonly body?: string | Buffer
}

function contextOf({ body = '', host = 'evil.test', ...rest }: Sent): InspectionContext {
  return {
    direction: 'outbound',
    protocol: 'http/1.1',
    method: 'POST',
    url: `https://${host}/`,
    host: host as Hostname,
    port: 443,
    path: '/',
    headers: [],
    contentType: 'application/json',
    priorResults: [],
    ...rest,
    body: Buffer.from(body as string),
  }
}

function judge(sent: Sent, options: Partial<SecretsOptions> = {}): Verdict {
  return secretsInspector({ ...DEFAULTS, ...options }).inspectRequest?.(contextOf(sent)) as Verdict
}

function judgeMessage(sent: Sent): Verdict {
  return secretsInspector(DEFAULTS).inspectMessage?.(
    contextOf({ ...sent, method: 'WEBSOCKET', protocol: 'websocket' }),
  ) as Verdict
}

const PLACES: Readonly<Record<string, (text: string) => Sent>> = {
  path: (text) => ({ path: `/v1/${encodeURIComponent(text)}` }),
  query: (text) => ({ path: `/v1?a=1&k=${encodeURIComponent(text)}` }),
  'header value': (text) => ({ headers: ['Accept', '*/*', 'X-Data', text.replace(/[\r\n]+/g, '')] }),
  'Basic credentials': (text) => ({
    headers: ['Authorization', `Basic ${Buffer.from(`u:${text}`).toString('base64')}`],
  }),
  'JSON body': (text) => ({ body: JSON.stringify({ a: [{ b: text }] }) }),
  'form body': (text) => ({
    body: `a=1&b=${encodeURIComponent(text)}`,
    contentType: 'application/x-www-form-urlencoded',
  }),
  'image body': (text) => ({ body: `\x89PNG\0${text}\0`, contentType: 'image/png' }),
  'octet stream': (text) => ({ body: text, contentType: 'application/octet-stream' }),
  'compressed body': (text) => ({ body: gzipSync(text), headers: ['Content-Encoding', 'gzip'] }),
}

for (const [place, put] of Object.entries(PLACES)) {
  test(`${place}: as it is and in every encoding`, () => {
    assert.deepEqual(judge(put(GITHUB)), BLOCKED)
    for (const [name, encode] of Object.entries(ENCODERS)) {
      assert.deepEqual(judge(put(encode(Buffer.from(GITHUB)).toString('latin1'))), BLOCKED, name)
    }
    assert.deepEqual(judge(put('nothing of the kind')), { kind: 'pass' })
  })
}

test('messages: outbound ones are looked at, inbound ones are not', () => {
  assert.deepEqual(judgeMessage({ body: `{"t":"${GITHUB}"}` }), BLOCKED)
  assert.deepEqual(judgeMessage({ body: gzipSync(GITHUB) }), BLOCKED)
  assert.deepEqual(judgeMessage({ body: GITHUB, direction: 'inbound' }), { kind: 'pass' })
})

describe('who may have it', () => {
  test('its issuer and below, nobody whose name looks alike', () => {
    for (const host of ['github.com', 'api.github.com', 'uploads.github.com', 'raw.githubusercontent.com']) {
      assert.deepEqual(judge({ host, body: GITHUB }), { kind: 'pass' }, host)
    }
    for (const host of ['notgithub.com', 'github.com.evil.test', 'github.co']) {
      assert.deepEqual(judge({ host, body: GITHUB }), BLOCKED, host)
    }
  })
  test('an allowed hit does not end the search', () => {
    const verdict = judge({ host: 'api.github.com', body: `${GITHUB} ${AWS}` })
    assert.equal(verdict.kind === 'block' && verdict.reason, 'secret detected: aws_access_key')
  })
  test('allow_to_domains takes the place of the built-in hosts of that name, and leaves the others', () => {
    const allow = new Map([['github_token', hosts('ghe.corp.test')]])
    assert.deepEqual(judge({ host: 'a.ghe.corp.test', body: GITHUB }, { allow }), { kind: 'pass' })
    assert.deepEqual(judge({ host: 'github.com', body: GITHUB }, { allow }), BLOCKED)
    assert.deepEqual(judge({ host: 's3.amazonaws.com', body: AWS }, { allow }), { kind: 'pass' })
  })
  test('without the built-in hosts, only those named', () => {
    assert.deepEqual(judge({ host: 'github.com', body: GITHUB }, { builtinAllow: false }), BLOCKED)
    const allow = new Map([['github_token', hosts('github.com')]])
    assert.deepEqual(judge({ host: 'github.com', body: GITHUB }, { builtinAllow: false, allow }), { kind: 'pass' })
  })
  test('a placeholder that looks like one may go where it is replaced, what stands beside it may not', () => {
    const exempt = [{ text: GITHUB, hosts: hosts('mirror.test') }]
    const other = `gh${'s_'}Q7X2M4ZKRPVT3WNB6HJ5Q7X2M4ZKRPVT3WNB6HJ5`
    assert.deepEqual(judge({ host: 'mirror.test', body: GITHUB }, { exempt }), { kind: 'pass' })
    assert.deepEqual(judge({ host: 'mirror.test', body: `${GITHUB} ${other}` }, { exempt }), BLOCKED)
    assert.deepEqual(judge({ host: 'evil.test', body: GITHUB }, { exempt }), BLOCKED)
  })
  test('a credential right behind a placeholder, before or around it is one', () => {
    const text = 'PLACEHOLDER_4fKq81ZmX0'
    const exempt = [text, GITHUB].map((known) => ({ text: known, hosts: hosts('mirror.test') }))
    const sent = (body: string): string => judge({ host: 'mirror.test', body }, { exempt: exempt.slice(0, 1) }).kind
    for (const body of [`${text}${GITHUB}`, `${text},${GITHUB}`, `${GITHUB}${text}`, `${GITHUB}"${text}`])
      assert.equal(sent(body), 'block', body)
    assert.equal(sent(`https://u:${text}@h.test/`), 'pass')
    const known = `${GITHUB}${text}${GITHUB}`
    assert.deepEqual(judge({ host: 'mirror.test', body: known }, { exempt }), { kind: 'pass' })
  })
})

describe('verdicts', () => {
  test('action: flag', () => {
    assert.deepEqual(judge({ body: GITHUB }, { action: 'flag' }), { ...BLOCKED, kind: 'flag' })
  })
  test('a likely assignment is a flag, and never hides a certain one', () => {
    const guess = `api_${'key'}="a7Rk2Xq9Zt4Lm8Wc3Vb6Nf5Hj1PdGsYe"`
    assert.deepEqual(judge({ body: guess }), {
      kind: 'flag',
      reason: 'secret detected: generic_secret',
      severity: 'warning',
    })
    assert.deepEqual(judge({ path: `/?${guess}`, body: GITHUB }), BLOCKED)
  })
  test('of several, the first of the table is named', () => {
    const verdict = judge({ body: `${GITHUB} ${AWS}` })
    assert.equal(verdict.kind === 'block' && verdict.reason, 'secret detected: aws_access_key')
  })
  test('an unknown Content-Encoding blocks, or flags when told to; control characters do not reach the reason', () => {
    const sent = { headers: ['Content-Encoding', 'sna\tppy'], body: 'x' }
    assert.deepEqual(judge(sent), {
      kind: 'block',
      reason: 'cannot be decoded: content-encoding sna?ppy',
      severity: 'error',
    })
    assert.equal(judge(sent, { undecodable: 'flag' }).kind, 'flag')
  })
  test('so does a charset that nobody knows', () => {
    const sent = { contentType: 'text/plain; charset=cp037', body: 'x' }
    const reason = 'cannot be decoded: charset cp037'
    assert.deepEqual(judge(sent), { kind: 'block', reason, severity: 'error' })
    assert.equal(judge(sent, { undecodable: 'flag' }).kind, 'flag')
  })
  test('too much nesting blocks, also behind a credential that is only flagged', () => {
    let body = 'a secret would be down here'
    for (let layer = 0; layer < 7; layer += 1) body = Buffer.from(body).toString('base64')
    const blocked = { kind: 'block', reason: 'too much nesting to decode', severity: 'error' }
    assert.deepEqual(judge({ body }), blocked)
    assert.deepEqual(judge({ body: `${GITHUB} ${body}` }, { action: 'flag' }), blocked)
    const flagged = { kind: 'flag', reason: 'too much nesting to decode', severity: 'warning' }
    assert.deepEqual(judge({ body }, { decoding: { ...DEFAULT_DECODING, tooDeep: 'flag' } }), flagged)
  })
})

describe('extra patterns', () => {
  function configured(yaml: string, env: NodeJS.ProcessEnv = {}): SecretsOptions {
    return secretsOptions(parseConfig(yaml, 'cage.yaml'), [], env)
  }
  test('a pattern and the value of a variable, in any encoding, with hosts of their own', () => {
    const options = configured(
      'secrets: {extra_patterns: [{name: ticket, pattern: "CORP-[0-9]{6}"}, {name: pass, env: DB_PASS}], allow_to_domains: {ticket: [corp.test]}}',
      { DB_PASS: 'cor(rect*horse' },
    )
    const ticket = { kind: 'block', reason: 'secret detected: ticket', severity: 'critical' }
    assert.deepEqual(judge({ body: 'CORP-123456' }, options), ticket)
    assert.deepEqual(judge({ body: Buffer.from('see CORP-123456, please').toString('base64') }, options), ticket)
    assert.deepEqual(judge({ host: 'x.corp.test', body: 'CORP-123456' }, options), { kind: 'pass' })
    assert.deepEqual(judge({ path: '/?p=cor%28rect%2Ahorse' }, options), { ...ticket, reason: 'secret detected: pass' })
    assert.deepEqual(judge({ body: 'correct*horse' }, options), { kind: 'pass' })
  })
  test('a variable that is not set, or too short, stops the start', () => {
    const yaml = 'secrets: {extra_patterns: [{name: pass, env: DB_PASS, pattern: x}]}'
    assert.throws(() => configured(yaml), { code: 'secret_missing', message: /pass names DB_PASS, which is not set/ })
    assert.throws(() => configured(yaml, { DB_PASS: '' }), { code: 'secret_missing' })
    assert.throws(() => configured(yaml, { DB_PASS: 'abc' }), { code: 'secret_invalid' })
  })
  test('a pattern that does not compile, or matches everything, is an error with its place', () => {
    for (const pattern of ['(', '(?=x)', '(a)\\1', 'x*', 'a{1,5000}']) {
      const [problem, ...rest] = configProblems(
        `secrets:\n  extra_patterns:\n    - name: bad\n      pattern: '${pattern}'\n`,
      )
      assert.deepEqual([problem?.line, rest.length], [4, 0], pattern)
    }
  })
  test('a pattern that would hang a backtracking engine does not', () => {
    const options = configured("secrets: {extra_patterns: [{name: evil, pattern: '(a+)+$'}]}")
    assert.equal(judge({ body: `${'a'.repeat(50_000)}!` }, options).kind, 'pass')
  })
})
