/**
 * A configuration may come with a project that nobody has looked at, and the egress reads it anew while it serves:
 * whatever the text, there is an answer soon, with a place in the text, and never a configuration that was not written.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseConfig } from '../../src/config/load.ts'
import { configProblems } from './config-problems.ts'
import { CageError } from '../../src/errors.ts'
import { fuzz, mutate } from '../support/fuzz.ts'

/** Text, and where and how the first problem is reported. */
const CATALOGUE: Readonly<Record<string, readonly [text: string, place: string, message: string | RegExp]>> = {
  'text only': ['hello', '1:1', 'the configuration must be a mapping, not "hello"'],
  'a list': ['- a\n', '1:1', 'the configuration must be a mapping, not a list'],
  'a number': ['42', '1:1', 'the configuration must be a mapping, not 42'],
  'a second document': ['name: a\n---\nname: b\n', '2:1', 'a second document; a configuration is one document'],
  'an empty second document': ['name: a\n---\n', '2:1', 'a second document; a configuration is one document'],
  'a tab for indentation': ['domains:\n\tmode: allowlist\n', '2:1', 'tabs cannot indent; use spaces'],
  'a duplicate key': ['name: a\nisolation: process\nname: b\n', '3:1', 'duplicate key "name", first on line 1'],
  'a duplicate key in flow style': [
    'logging: {dns_queries: true, dns_queries: false}',
    '1:30',
    'duplicate key "dns_queries", first on line 1',
  ],
  'a duplicate key in quotes': ['name: a\n"name": b\n', '2:1', 'duplicate key "name", first on line 1'],
  'a merge key': [
    'domains:\n  <<: {mode: blocklist}\n',
    '2:3',
    'merge keys (<<) are not supported; write the keys out',
  ],
  'a merge of an alias': [
    'logging: &a {dns_queries: true}\nrate_limit: {<<: *a}\n',
    '2:14',
    'merge keys (<<) are not supported; write the keys out',
  ],
  'YAML 1.1, in which no means false': [
    '%YAML 1.1\n---\nlogging: {allowed_requests: no}\n',
    '1:1',
    'must be YAML 1.2: remove the %YAML directive',
  ],
  'a prototype': ['__proto__: {isolation: process}\n', '1:1', 'unknown key "__proto__"'],
  'a prototype in a free mapping': ['container: {env: {__proto__: x}}\n', '1:19', 'unknown key "__proto__"'],
  'a constructor': ['constructor: 1\n', '1:1', /^unknown key "constructor"/],
  'a number for a key': ['container: {env: {1: x}}\n', '1:19', 'a key must be text; put it in quotes'],
  'true for a key': ['true: x\n', '1:1', 'a key must be text; put it in quotes'],
  'nothing for a key': ['? \n: x\n', '1:3', 'a key must be text; put it in quotes'],
  'a list for a key': ['? [a]\n: x\n', '1:3', 'a key must be text; put it in quotes'],
  'an alias for a key': ['name: &x isolation\n*x : process\n', '2:1', 'a key must be text; put it in quotes'],
  'a tag of one\u2019s own': ['name: !ruby/object:Gem::Requirement x\n', '1:7', /^unresolved tag/],
  'a tag of YAML 1.1': [
    'name: !!binary aGVsbG8=\n',
    '1:16',
    'name has the tag "tag:yaml.org,2002:binary", which is not supported',
  ],
  'a date by tag': ['name: !!timestamp 2026-01-01\n', '1:19', /tag/],
  'an alias of nothing': ['name: *x\n', '1:7', 'alias "*x" has no anchor before it'],
  'an alias before its anchor': ['name: *x\nisolation: &x process\n', '1:7', 'alias "*x" has no anchor before it'],
  'an alias of what contains it': ['domains: &x {list: [*x]}\n', '1:21', 'alias "*x" has no anchor before it'],
  'a list that is not closed': ['domains: {list: [a.example\n', '2:1', /^flow sequence/],
  'a quote that is not closed': ['name: "abc\n', '2:1', /^missing closing/],
  'a colon in a value': ['name: a: b\n', '1:7', 'a second key on one line; put a value that contains ": " in quotes'],
  'indentation that does not fit': [
    'domains:\n  mode: allowlist\n list: []\n',
    '3:1',
    'all mapping items must start at the same column',
  ],
  'a character that starts nothing': ['name: @x\n', '1:7', /reserved character/],
  'an escape that there is not': ['name: "\\q"\n', '1:8', /^invalid escape/],
  'a NUL': ['name: a\n\0foo: 1\n', '2:1', 'control character "\\u0000"'],
  'an escape sequence in a comment': ['# \u001b[2J\nname: a\n', '1:3', 'control character "\\u001b"'],
  'a delete character': ['name: a\u007f\n', '1:8', 'control character "\\u007f"'],
}

for (const [name, [text, place, message]] of Object.entries(CATALOGUE)) {
  test(name, () => {
    const [problem] = configProblems(text)
    assert.ok(problem !== undefined, 'accepted')
    assert.equal(`${problem.line}:${problem.column}`, place)
    if (typeof message === 'string') assert.equal(problem.message, message)
    else assert.match(problem.message, message)
  })
}

/** A megabyte, or what stands for gigabytes. Each would take minutes, or the whole stack, if read without bounds. */
const LARGE: Readonly<Record<string, string>> = {
  'a billion laughs': [
    'a: &a [x, x, x, x, x, x, x, x, x]',
    ...'bcdefghi'
      .split('')
      .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(', ')}]`),
  ].join('\n'),
  'a billion laughs where a list belongs': [
    'domains:\n  list:\n  - &a [x, x, x, x, x, x, x, x, x]',
    ...'bcdefghi'.split('').map((name, index) => `  - &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(', ')}]`),
  ].join('\n'),
  'one long rule a thousand times': `secret_injection:\n- &a {env: A, inject_to: [${'"*", '.repeat(30_000)}]}\n${'- *a\n'.repeat(1000)}`,
  'lists in lists': '['.repeat(1_000_000),
  'lists in lists, closed': `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
  'lists in lists by dashes': `${'- '.repeat(40_000)}x`,
  'mappings in mappings': '{a: '.repeat(250_000),
  'mappings in mappings by indentation': Array.from({ length: 1000 }, (_, depth) => `${' '.repeat(depth)}a:`).join(
    '\n',
  ),
  'keys for keys': '? '.repeat(40_000),
  'many keys': Array.from({ length: 100_000 }, (_, index) => `k${index}: 1`).join('\n'),
  'many equal keys': 'a: 1\n'.repeat(50_000),
  'many documents': '---\n'.repeat(200_000),
  'many anchors': Array.from({ length: 30_000 }, (_, index) => `- &a${index} x`).join('\n'),
  commas: `[${','.repeat(1_000_000)}`,
  quotes: '"'.repeat(1_000_000),
  'one key': 'a'.repeat(1_000_000),
  'one tag': `name: !${'!'.repeat(1_000_000)}`,
  'one alias': `name: *${'a'.repeat(1_000_000)}`,
}

for (const [name, text] of Object.entries(LARGE)) {
  test(`large: ${name}`, () => {
    const problems = configProblems(text)
    assert.ok(problems.length > 0, 'accepted')
    for (const { message } of problems.slice(0, 100)) assert.ok(message.length < 500, `message of ${message.length}`)
  })
}

test('a file of a megabyte that is right is read', () => {
  const list = '  - host-of-twenty.example\n'.repeat(38_000)
  assert.equal(parseConfig(`domains:\n  list:\n${list}`, 'cage.yaml').domains?.list.length, 38_000)
})

test('any text gives a configuration or problems within the text', () => {
  const fragment = fc.constantFrom(
    'domains',
    'list',
    ': ',
    '- ',
    '\n',
    '  ',
    '{',
    '}',
    '[',
    ']',
    '&a ',
    '*a',
    '"',
    "'",
    '|\n',
    '? ',
    '!!str ',
    '---\n',
    '#',
    ',',
    '<<',
    '\t',
    'a.example',
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fragment, { maxLength: 40 }).map((parts) => parts.join('')),
  )
  fc.assert(fc.property(text, (input) => answers(input)))
})

test('a changed configuration gives a configuration or problems within the text', async (t) => {
  const original = Buffer.from(
    'name: cage\ndomains:\n  mode: allowlist\n  list:\n    - &h a.example\n    - {host: b.example, ports: [443]}\nsecret_injection:\n  - {env: KEY, inject_to: [*h]}\ncontainer: {env: {A: "1"}}\n',
  )
  await fuzz(t, { runs: 400 }, (random) => answers(mutate(random, original).toString('utf8')))
})

function answers(text: string): void {
  const lines = text.split('\n').length
  for (const { line, column, message } of configProblems(text)) {
    assert.ok(line >= 1 && line <= lines + 1, `line ${line} of ${lines}`)
    assert.ok(column >= 1)
    assert.doesNotMatch(message, /[\x00-\x1f\x7f]|Invalid input|undefined/)
  }
  try {
    parseConfig(text, 'cage.yaml')
  } catch (error) {
    if (!(error instanceof CageError)) throw error
    assert.equal(error.code, 'config_invalid')
  }
}
