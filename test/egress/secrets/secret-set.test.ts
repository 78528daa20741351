/**
 * What a set of secrets may consist of, and what it shows of itself.
 *
 * Values and placeholders that cannot be told apart are refused when the configuration is loaded. No error, inspection,
 * string or JSON of anything here holds a real value.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { format, inspect } from 'node:util'
import { SecretSet } from '../../../src/egress/secrets/secret-set.ts'
import { bindSecrets, type SecretBinding } from '../../../src/egress/secrets/binding.ts'
import { CageError } from '../../../src/errors.ts'
import type { Hostname } from '../../../src/policy/host.ts'
import type { Placeholder } from '../../../src/secrets/placeholders.ts'
import { Secret } from '../../../src/secrets/secret.ts'
import { binding, PLACEHOLDER, VALUE } from './example.ts'

const REFUSED: Readonly<Record<string, readonly SecretBinding[]>> = {
  'secret API_KEY is listed twice': [binding({}), binding({ placeholder: 'another-placeholder' })],
  'the placeholder of B is also that of another secret': [binding({}), binding({ name: 'B', value: 'other' })],
  'secret API_KEY is empty': [binding({ value: '' })],
  'the placeholder of API_KEY is empty': [binding({ placeholder: '' })],
  'the placeholder of API_KEY contains the value of a secret': [binding({ value: 'secret' })],
  'the placeholder of B contains the value of a secret': [
    binding({ value: 'S3CR3T' }),
    binding({ name: 'B', placeholder: 'is-S3CR3T-too', value: 'x-y-z' }),
  ],
  'the value of API_KEY contains a placeholder': [binding({ value: `x${PLACEHOLDER}` })],
}

for (const [message, bindings] of Object.entries(REFUSED)) {
  test(`refused: ${message}`, () => {
    assert.throws(
      () => new SecretSet(bindings),
      (error) =>
        error instanceof CageError &&
        error.code === 'secret_invalid' &&
        error.message === message &&
        error.exitCode === 2,
    )
  })
}

test('rules are joined with what was resolved for them', () => {
  const rules = [
    {
      env: 'A',
      inject_to: [{ host: 'a.test' as Hostname, ports: [8443] }],
      inject_headers: ['x-a'],
      inject_body: true,
    },
    { env: 'B', inject_to: [{ host: '*' as const }], inject_headers: [], inject_body: false },
  ]
  const secrets = [new Secret('B', 'value b'), new Secret('A', 'value a')]
  const placeholders = new Map([
    ['A', 'placeholder-a' as Placeholder],
    ['B', 'placeholder-b' as Placeholder],
  ])
  assert.deepEqual(
    bindSecrets(rules, secrets, placeholders).map(({ value, ...rest }) => ({ ...rest, value: value.reveal() })),
    [
      {
        name: 'A',
        placeholder: 'placeholder-a',
        value: 'value a',
        injectTo: [{ host: 'a.test', ports: [8443] }],
        injectHeaders: new Set(['x-a']),
        injectBody: true,
      },
      {
        name: 'B',
        placeholder: 'placeholder-b',
        value: 'value b',
        injectTo: [{ host: '*' }],
        injectHeaders: new Set(),
        injectBody: false,
      },
    ],
  )
  assert.throws(() => bindSecrets(rules, secrets.slice(1), placeholders), TypeError)
})

test('nothing shows a value: inspection, JSON, strings', () => {
  const bindings = [binding({})]
  const set = new SecretSet(bindings)
  const redactor = set.bodyRedactor()
  redactor.push(Buffer.from(VALUE.slice(0, -1)))
  for (const thing of [bindings, set, redactor, { nested: [set, redactor, bindings] }]) {
    const shown = [
      inspect(thing, { depth: 20, showHidden: true, getters: true }),
      JSON.stringify(thing),
      format('%s %o %j', thing, thing, thing),
    ].join('\n')
    for (const part of [
      VALUE,
      JSON.stringify(VALUE).slice(1, -1),
      VALUE.slice(0, 8),
      Buffer.from(VALUE).toString('hex').slice(0, 16),
    ]) {
      assert.equal(shown.includes(part), false)
    }
  }
})
