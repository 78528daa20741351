/**
 * Redaction of a response body.
 *
 * Real values leave as their placeholders, however the body is cut into chunks, also where values overlap, repeat
 * themselves or begin with one another. What cannot be the start of a value leaves at once and uncopied, so that
 * server-sent events keep their pace.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SecretSet } from '../../../src/egress/secrets/secret-set.ts'
import { fuzz } from '../../support/fuzz.ts'
import { binding, PLACEHOLDER, request, split, VALUE } from './example.ts'

/** Secrets with these values, and placeholders from letters that stand in no value. */
function secretsWith(values: readonly string[]): SecretSet {
  return new SecretSet(values.map((value, i) => binding({ name: `S${i}`, placeholder: placeholderOf(i), value })))
}

function placeholderOf(i: number): string {
  return `<<<<<<<${String(i).padStart(4, '0')}>`
}

function redact(secrets: SecretSet, chunks: readonly Buffer[]): string {
  const redactor = secrets.bodyRedactor()
  return Buffer.concat([...chunks.map((chunk) => redactor.push(chunk)), redactor.end()]).toString()
}

test('a text that is whole is redacted as a stream without pauses is', () => {
  const values = [VALUE, 'abcd1234', 'a-secret-of-some-length-01']
  const secrets = secretsWith(values)
  const forms = values.flatMap((value) => {
    const bytes = Buffer.from(value)
    return [
      value,
      encodeURIComponent(value),
      bytes.toString('base64'),
      bytes.toString('hex'),
      value.replaceAll(/./gu, '$&-'),
      value.slice(0, -1),
    ]
  })
  const piece = fc.oneof(fc.constantFrom(...forms, '\\u0061', '%61', '\n', ' ', '"'), fc.string({ maxLength: 4 }))
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
      const text = Buffer.from(pieces.join(''))
      const [whole, stream] = [secrets.bodyRedactor(), secrets.bodyRedactor({ pauses: false })]
      const expected = Buffer.concat([stream.push(text), stream.end()])
      assert.equal(String(whole.whole(text)), String(expected))
      assert.deepEqual([...whole.redacted].toSorted(), [...stream.redacted].toSorted())
    }),
    { numRuns: 400 },
  )
})

test('a value becomes its placeholder, and its name is reported', () => {
  const redactor = new SecretSet([binding({})]).bodyRedactor()
  const out = Buffer.concat([redactor.push(Buffer.from(`{"echo": ${VALUE}}`)), redactor.end()])
  assert.equal(String(out), `{"echo": ${PLACEHOLDER}}`)
  assert.deepEqual([...redactor.redacted], ['API_KEY'])
})

test('a value that a server repeats as it was injected becomes a placeholder in the same spelling', () => {
  const secrets = new SecretSet([binding({})])
  const json = JSON.stringify({ echo: VALUE })
  assert.deepEqual(JSON.parse(redact(secrets, [Buffer.from(json)])), { echo: PLACEHOLDER })
  const { target } = secrets.inject(request('api.test', { target: `/?key=${PLACEHOLDER}`, headers: [] }))
  for (const spelling of [
    target,
    target.replaceAll('%20', '+'),
    target.replace(/%../g, (escape) => escape.toLowerCase()),
    `/?key=${encodeURIComponent(VALUE)}`,
  ]) {
    assert.equal(redact(secrets, [Buffer.from(spelling)]), `/?key=${encodeURIComponent(PLACEHOLDER)}`)
  }
})

test('attack: a value cut at each of its bytes is still found', () => {
  const secrets = new SecretSet([binding({})])
  const body = Buffer.from(`before ${VALUE} after ${VALUE}`)
  const expected = `before ${PLACEHOLDER} after ${PLACEHOLDER}`
  for (let cut = 0; cut <= body.length; cut += 1) assert.equal(redact(secrets, split(body, [cut])), expected)
  assert.equal(redact(secrets, split(body, [...body.keys()])), expected, 'byte by byte')
})

test('of values that begin with one another the longest is taken', () => {
  const secrets = secretsWith(['abc', 'abcdef', 'abcdefghi'])
  assert.equal(
    redact(secrets, [Buffer.from('abcdefghi abcdefg abcd ab')]),
    `${placeholderOf(2)} ${placeholderOf(1)}g ${placeholderOf(0)}d ab`,
  )
})

test('attack: where values overlap, no byte of either is left', () => {
  const secrets = secretsWith(['abcd', 'cdef', 'fgh'])
  assert.equal(
    redact(secrets, [Buffer.from('x abcdefgh y')]),
    `x ${placeholderOf(0)}${placeholderOf(1)}${placeholderOf(2)} y`,
  )
})

test('attack: of a value that overlaps itself nothing is left', () => {
  const secrets = secretsWith(['aaaa'])
  for (let length = 4; length < 12; length += 1) {
    assert.equal(redact(secrets, [Buffer.from(`x${'a'.repeat(length)}y`)]), `x${placeholderOf(0)}y`)
  }
  assert.equal(redact(secrets, [Buffer.from('xaaay')]), 'xaaay')
})

test('two secrets with the same value: the first placeholder is shown', () => {
  assert.equal(redact(secretsWith(['same', 'same']), [Buffer.from('same')]), placeholderOf(0))
})

test('what holds nothing of ours passes uncopied', () => {
  const redactor = new SecretSet([binding({})]).bodyRedactor()
  const chunk = Buffer.from('data: {"text": "hello"}\n\n')
  assert.equal(redactor.push(chunk), chunk)
  assert.equal(redactor.push(chunk), chunk)
  assert.equal(redactor.end().length, 0)
})

test('pace: held back is exactly what may be the start of a value', () => {
  const redactor = secretsWith(['token-1234']).bodyRedactor()
  const push = (text: string): string => redactor.push(Buffer.from(text)).toString()
  assert.equal(push('data: one\n\n'), 'data: one\n\n')
  assert.equal(push('data: two t'), 'data: two ')
  assert.equal(push('oken'), '')
  assert.equal(push('s\n\n'), 'tokens\n\n')
  assert.equal(push('token-123'), '')
  assert.equal(push('4\n\n'), `${placeholderOf(0)}\n\n`)
  assert.equal(push('token-1234'), placeholderOf(0), 'a whole value does not wait')
  assert.equal(push('tok'), '')
  assert.equal(redactor.end().toString(), 'tok')
})

test('what is held back does not change when the chunk is reused', () => {
  const redactor = secretsWith(['token-1234']).bodyRedactor()
  const chunk = Buffer.from('token-')
  redactor.push(chunk)
  chunk.fill(0)
  assert.equal(redactor.push(Buffer.from('1234')).toString(), placeholderOf(0))
})

test('a set without secrets passes everything', () => {
  const empty = new SecretSet([])
  assert.equal(empty.isEmpty, true)
  assert.equal(redact(empty, [Buffer.from('anything')]), 'anything')
})

test('a value as long as the store takes, over many chunks', () => {
  const value = `-----BEGIN PRIVATE KEY-----\n${'0123456789abcdef'.repeat(4000)}`
  const body = Buffer.from(`x${value}y${value.slice(0, -1)}z`)
  const cuts = Array.from({ length: 40 }, (_, i) => i * 3_001)
  assert.equal(redact(secretsWith([value]), split(body, cuts)), `x${placeholderOf(0)}y${value.slice(0, -1)}z`)
})

const letters = fc.constantFrom('a', 'b', 'c')
// From eight bytes on a value is found backwards too, and in other forms.
const values = fc.uniqueArray(fc.string({ unit: letters, minLength: 1, maxLength: 7 }), { minLength: 1, maxLength: 6 })

test('property: no split into chunks changes the result, and it is that of the definition', () => {
  const body = fc.string({ unit: letters, maxLength: 120 })
  const cuts = fc.array(fc.nat(200), { maxLength: 20 })
  fc.assert(
    fc.property(values, body, cuts, (list, text, at) => {
      const secrets = secretsWith(list)
      const whole = redact(secrets, [Buffer.from(text)])
      assert.equal(whole, redactByDefinition(list, text))
      assert.equal(redact(secrets, split(Buffer.from(text), at)), whole)
    }),
    { numRuns: 1000 },
  )
})

test('property: streams that come in turns change nothing in each other', () => {
  const secrets = secretsWith([VALUE, 'a-secret-of-some-length-01'])
  const piece = fc.constantFrom(VALUE, 'a-secret-of-', 'some-length-01', Buffer.from(VALUE).toString('hex'), ' ', '%61')
  const stream = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.map((text) => Buffer.from(text)))
  fc.assert(
    fc.property(fc.array(stream, { minLength: 2, maxLength: 4 }), (streams) => {
      const redactors = streams.map(() => secrets.bodyRedactor())
      const parts: Buffer[][] = streams.map(() => [])
      for (let turn = 0; turn < 8; turn += 1) {
        for (const [at, chunks] of streams.entries()) {
          const chunk = chunks[turn]
          if (chunk !== undefined) parts[at]?.push(redactors[at]?.push(chunk) ?? chunk)
        }
      }
      for (const [at, chunks] of streams.entries()) {
        const out = Buffer.concat([...(parts[at] ?? []), redactors[at]?.end() ?? Buffer.alloc(0)])
        assert.equal(String(out), redact(secrets, chunks))
      }
    }),
    { numRuns: 200 },
  )
})

test('property: redaction never leaves a value', () => {
  fc.assert(
    fc.property(values, fc.string({ unit: letters, maxLength: 300 }), (list, text) => {
      const left = redact(secretsWith(list), [Buffer.from(text)])
      for (const value of list) assert.equal(left.includes(value), false)
    }),
    { numRuns: 500 },
  )
})

// Values have no letter in common with the placeholders: the start of a value before a placeholder is no whole one.
test('fuzz: random secrets in random bytes, random chunks', async (t) => {
  await fuzz(t, { runs: 150 }, (random) => {
    const bytes = (length: number): string =>
      Array.from({ length }, () => String.fromCharCode(random.integer(63, 125))).join('')
    const list = Array.from({ length: random.integer(1, 40) }, () => bytes(random.integer(9, 60)))
    const parts = Array.from({ length: random.integer(0, 30) }, () => {
      const value = random.pick(list)
      return random.chance(0.5)
        ? value
        : random.chance(0.5)
          ? value.slice(0, random.integer(0, value.length))
          : bytes(random.integer(0, 50))
    })
    const body = Buffer.from(parts.join(''))
    const secrets = secretsWith(list)
    const expected = redact(secrets, [body])
    for (const value of list) assert.equal(expected.includes(value), false)
    const cuts = Array.from({ length: random.integer(0, 50) }, () => random.uint32())
    assert.equal(redact(secrets, split(body, cuts)), expected)
  })
})

/** Marks all bytes of all occurrences, then writes a placeholder for each run of occurrences of one secret. */
function redactByDefinition(list: readonly string[], text: string): string {
  let out = ''
  let covered = 0
  let last = -1
  for (let at = 0; at < text.length; at += 1) {
    const longest = list.filter((value) => text.startsWith(value, at)).toSorted((a, b) => b.length - a.length)[0]
    if (longest !== undefined && at + longest.length > covered) {
      const which = list.indexOf(longest)
      if (at >= covered || which !== last) out += placeholderOf(which)
      covered = at + longest.length
      last = which
    }
    if (at >= covered) out += text[at]
  }
  return out
}
