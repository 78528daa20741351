/**
 * Every pattern of the table finds its own positive example wherever it stands, and not its negative one; names are
 * unique and include those that configurations of earlier versions use.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PatternMatcher } from '../../../../src/egress/inspect/patterns/matcher.ts'
import { SECRET_PATTERNS } from '../../../../src/egress/inspect/patterns/table.ts'
import { parseHostname } from '../../../../src/policy/host.ts'

const KEPT = [
  'openai_key',
  'anthropic_key',
  'aws_access_key',
  'github_token',
  'github_pat',
  'google_api_key',
  'slack_token',
  'google_oauth_access_token',
  'stripe_key',
  'private_key',
  'gitlab_token',
  'huggingface_token',
  'databricks_token',
  'azure_jwt',
  'openrouter_key',
  'perplexity_key',
  'brave_api_key',
  'telegram_bot_token',
  'discord_bot_token',
  'firecrawl_key',
]

/** Where credentials stand in ordinary content. */
const SURROUNDINGS: Readonly<Record<string, (text: string) => string>> = {
  alone: (text) => text,
  'in JSON': (text) => `{"value":"${text}","next":1}`,
  'after an escaped line end': (text) => `"first\\n${text}\\nlast"`,
  'in a table of text': (text) => `| name | ${text} | note |`,
  'in a query': (text) => `/path?key=${text}&x=1`,
  'late in much text': (text) => `${'The quick brown fox. '.repeat(500)}'${text}'`,
}

const matcher = new PatternMatcher(SECRET_PATTERNS)

function namesIn(text: string): string[] {
  const names: string[] = []
  matcher.search(Buffer.from(text, 'latin1'), ({ pattern }) => {
    names.push(pattern.name)
    return false
  })
  return names
}

for (const { name, examples } of SECRET_PATTERNS) {
  test(`${name}: finds its example, not its counterexample`, () => {
    for (const [where, surround] of Object.entries(SURROUNDINGS)) {
      assert.ok(namesIn(surround(examples.positive)).includes(name), where)
      assert.ok(!namesIn(surround(examples.negative)).includes(name), `negative, ${where}`)
    }
  })
}

test('installation tokens of GitHub that hold a JSON Web Token', () => {
  const jwt = `ey${'JhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9'}.ey${'JpYXQiOjE3NjQwMDAwMDAsImlzcyI6IjEyMzQ1NiJ9'}.c2lnbmF0dXJl`
  assert.ok(namesIn(`Authorization: Bearer gh${'s_'}123456_${jwt}`).includes('github_token'))
  assert.ok(!namesIn(`gh${'s_'}123456_${jwt.slice(0, 20)}`).includes('github_token'))
})

test('every kind of private key in PEM', () => {
  for (const kind of ['', 'RSA ', 'EC ', 'DSA ', 'OPENSSH ', 'ENCRYPTED ', 'ANY ', 'SSH2 ENCRYPTED ']) {
    const line = `-----BEGIN ${kind}${'PRIVATE'} KEY-----`
    assert.deepEqual(namesIn(`x${line}y`), ['private_key'], line)
    assert.deepEqual(namesIn(`pem=${line.replaceAll(' ', '+')}`), ['private_key'], 'in a form')
  }
  assert.deepEqual(namesIn(`-----BEGIN PGP ${'PRIVATE'} KEY BLOCK-----`), ['private_key'])
  assert.deepEqual(namesIn('-----BEGIN CERTIFICATE----- -----BEGIN PGP PUBLIC KEY BLOCK-----'), [])
})

test('the table: at least 60 kinds, unique names, the old ones kept, real hosts', () => {
  const names = SECRET_PATTERNS.map(({ name }) => name)
  assert.ok(names.length >= 60)
  assert.equal(new Set(names).size, names.length)
  for (const name of KEPT) assert.ok(names.includes(name), name)
  for (const { name, domains } of SECRET_PATTERNS) {
    for (const domain of domains) assert.equal(parseHostname(domain), domain, name)
  }
})

test('a hit says where it is', () => {
  const key = `AK${'IA'}QXMZKRPVTWNBHJ27`
  matcher.search(Buffer.from(`xx ${key} yy`), ({ start, end }) => {
    assert.deepEqual([start, end], [3, 3 + key.length])
    return true
  })
})

test('anchors one after another, without their credentials, are looked at in linear time', () => {
  // Quadratic work would take minutes, and the runner's limit ends it.
  for (const anchor of [
    '.eyJ',
    'eyJ',
    'sk-',
    'T3BlbkFJ',
    'ghp_',
    'postgres://',
    'token=',
    '-----BEGIN ',
    ':',
    '8Q~',
    '-us1',
    'hf_',
  ]) {
    assert.deepEqual(namesIn(anchor.repeat(500_000 / anchor.length)), [], anchor)
  }
  assert.deepEqual(namesIn('a'.repeat(500_000)), [])
  assert.deepEqual(namesIn(`${'A'.repeat(13)}.eyJ`.repeat(30_000)), [])
})
