/**
 * Redaction of a response's head.
 *
 * Field values, field names and the reason phrase leave with placeholders for real values; everything else, the list
 * itself included, stays as it was.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SecretSet } from '../../../src/egress/secrets/secret-set.ts'
import { binding, onTheWire, PLACEHOLDER, VALUE } from './example.ts'

const secrets = new SecretSet([
  binding({}),
  binding({ name: 'TOKEN', placeholder: 'TOKEN:PLACEHOLDER', value: 'tok_1234' }),
])

test('values in fields, as they are and as they were injected into a URL', () => {
  const { headers, redacted } = secrets.redactHeaders([
    'Set-Cookie', `session=${onTheWire(VALUE)}; Path=/`,
    'Location', `/next?key=${encodeURIComponent(VALUE)}&t=tok_1234`,
    'X-Json', JSON.stringify({ t: 'tok_1234' }),
    'Set-Cookie', 'a=b',
  ]) // prettier-ignore
  assert.deepEqual(headers, [
    'Set-Cookie', `session=${PLACEHOLDER}; Path=/`,
    'Location', `/next?key=${encodeURIComponent(PLACEHOLDER)}&t=TOKEN:PLACEHOLDER`,
    'X-Json', '{"t":"TOKEN:PLACEHOLDER"}',
    'Set-Cookie', 'a=b',
  ]) // prettier-ignore
  assert.deepEqual([...redacted].toSorted(), ['API_KEY', 'TOKEN'])
})

test('attack: a value as a field name; what takes its place is a valid name', () => {
  assert.deepEqual(secrets.redactHeaders(['x-tok_1234', 'tok_1234', 'a', 'b']), {
    headers: ['x-TOKEN-PLACEHOLDER', 'TOKEN:PLACEHOLDER', 'a', 'b'],
    redacted: ['TOKEN'],
  })
})

test('a list without values comes back itself', () => {
  const headers = ['Content-Type', 'text/plain', 'x', 'tok_123', '4', onTheWire('é')]
  const result = secrets.redactHeaders(headers)
  assert.equal(result.headers, headers)
  assert.deepEqual(result.redacted, [])
  assert.equal(new SecretSet([]).redactHeaders(headers).headers, headers)
})

test('reason phrases', () => {
  assert.equal(secrets.redactText('OK tok_1234'), 'OK TOKEN:PLACEHOLDER')
  assert.equal(secrets.redactText('OK'), 'OK')
  assert.equal(secrets.redactText(''), '')
})
