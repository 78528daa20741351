/**
 * Redaction of values in every form.
 *
 * Escaped, in base64 at each alignment, in hexadecimal, backwards and in pieces, a value leaves as its placeholder in the
 * same form; what surrounds it decodes as before. How a stream is cut makes no difference.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { SecretSet } from '../../../src/egress/secrets/secret-set.ts'
import { backwards, ENCODINGS } from './encodings.ts'
import { binding, misuse, PLACEHOLDER, request, split } from './example.ts'

const VALUES: Readonly<Record<string, string>> = {
  'a key': 'sk-ant-api03-Zk3_x9-QbLr7TnVw2YpHsJd8',
  'a password': 'p&ss "w<rd>"/+=_%41-0123',
  'a value with characters of several bytes': 'pässwörd-日本語-🔑-key',
}

function redact(
  secrets: SecretSet,
  chunks: readonly Buffer[],
  pauses = true,
): { readonly text: string; readonly names: string[] } {
  const redactor = secrets.bodyRedactor({ pauses })
  const text = Buffer.concat([...chunks.map((chunk) => redactor.push(chunk)), redactor.end()]).toString()
  return { text, names: [...redactor.redacted] }
}

for (const [what, value] of Object.entries(VALUES)) {
  const secrets = new SecretSet([binding({ value })])
  for (const [how, encode] of Object.entries(ENCODINGS)) {
    test(`${what}, ${how}: gone, wherever the stream is cut`, () => {
      const written = encode(value)
      const bytes = Buffer.from(`{"a": "${written}", "b": 1}`)
      const whole = redact(secrets, [bytes])
      assert.deepEqual(whole.names, ['API_KEY'])
      assert.ok(!whole.text.includes(written))
      assert.equal(misuse(secrets, request('evil.test', { body: Buffer.from(whole.text) }))?.kind, 'placeholder')
      assert.ok(whole.text.startsWith('{"a": "') && whole.text.endsWith('", "b": 1}'))
      for (let cut = 0; cut <= bytes.length; cut += 1)
        assert.deepEqual(redact(secrets, split(bytes, [cut])), whole, `cut at ${cut}`)
      assert.deepEqual(redact(secrets, split(bytes, [...bytes.keys()])), whole, 'byte by byte')
    })
  }
}

describe('in UTF-16 and in base64 of base64', () => {
  const value = VALUES['a key'] as string
  const secrets = new SecretSet([binding({ value })])
  const run = (chunks: readonly Buffer[]): Buffer => {
    const redactor = secrets.bodyRedactor()
    return Buffer.concat([...chunks.map((chunk) => redactor.push(chunk)), redactor.end()])
  }
  const wide: Readonly<Record<string, (text: string) => Buffer>> = {
    little: (text) => Buffer.from(text, 'utf16le'),
    big: (text) => Buffer.from(text, 'utf16le').swap16(),
  }
  for (const [order, encode] of Object.entries(wide)) {
    test(`UTF-16, ${order} end first`, () => {
      const bytes = encode(`\ufeff{"key": "${value}"}`)
      const whole = run([bytes])
      assert.deepEqual(whole, encode(`\ufeff{"key": "${PLACEHOLDER}"}`))
      for (let cut = 0; cut <= bytes.length; cut += 1)
        assert.deepEqual(run(split(bytes, [cut])), whole, `cut at ${cut}`)
      assert.deepEqual(run(split(bytes, [...bytes.keys()])), whole, 'byte by byte')
    })
  }

  test('base64 of base64, at each place in both groups and in either alphabet', () => {
    for (const secret of Object.values(VALUES)) {
      const set = new SecretSet([binding({ value: secret })])
      for (const [inner, outer] of [
        ['base64', 'base64'],
        ['base64url', 'base64'],
        ['base64', 'base64url'],
      ] as const) {
        for (const before of ['', 'x', 'xy']) {
          for (const around of ['', '"', '" ']) {
            const once = Buffer.from(`${before}${secret}${before}`).toString(inner)
            const text = `[${Buffer.from(`${around}${once}${around}`).toString(outer)}]`
            const { text: seen, names } = redact(set, [Buffer.from(text)])
            assert.deepEqual(names, ['API_KEY'], text)
            const decoded = Buffer.from(Buffer.from(seen, 'base64').toString(), 'base64').toString('latin1')
            for (let at = 0; at + 6 < secret.length; at += 1)
              assert.ok(!decoded.includes(secret.slice(at, at + 6)), seen)
            assert.deepEqual(
              redact(
                set,
                split(
                  Buffer.from(text),
                  Array.from({ length: text.length }, (_, at) => at),
                ),
              ).text,
              seen,
            )
          }
        }
      }
    }
    const twice = Buffer.from(Buffer.from(value).toString('base64')).toString('base64')
    const back = Buffer.from(
      Buffer.from(run([Buffer.from(twice)]).toString(), 'base64').toString(),
      'base64',
    ).toString()
    assert.ok(back.startsWith(PLACEHOLDER), back)
  })
})

describe('in base64 what surrounds a value decodes as before', () => {
  const value = VALUES['a key'] as string
  const secrets = new SecretSet([binding({ value })])
  const decoded = (text: string, coding: 'base64' | 'base64url'): string => Buffer.from(text, coding).toString()

  for (const coding of ['base64', 'base64url'] as const) {
    for (const before of ['', 'x', 'xy', 'xyz', 'user:', '\u00ff\u00ff']) {
      for (const after of ['', 'x', 'xy', 'xyz', '", "more": true}']) {
        test(`${coding}, between ${JSON.stringify(before)} and ${JSON.stringify(after)}`, () => {
          const bytes = Buffer.from(`Basic ${Buffer.from(before + value + after).toString(coding)} end`)
          const { text } = redact(secrets, [bytes])
          const [, middle = ''] = text.split(' ')
          const seen = decoded(middle, coding)
          assert.equal(seen.replace(/(?<=eeff) {0,2}/, ''), before + PLACEHOLDER + after)
          if (coding === 'base64')
            assert.equal(Buffer.from(seen).toString(coding), middle, 'with the padding that belongs to it')
          for (let cut = 0; cut <= bytes.length; cut += 1)
            assert.equal(redact(secrets, split(bytes, [cut])).text, text, `cut at ${cut}`)
        })
      }
    }
  }

  test('at its end the placeholder stands as it is, so that it can be sent back', () => {
    const text = secrets.redactText(`Basic ${Buffer.from(`user:${value}`).toString('base64')}`)
    assert.equal(decoded(text.slice(6), 'base64'), `user:${PLACEHOLDER}`)
  })
})

describe('the placeholder is written as the value was', () => {
  const value = VALUES['a key'] as string
  const secrets = new SecretSet([binding({ value, placeholder: 'agentcage:"&<key>' })])
  const cases: Readonly<Record<string, readonly [string, string]>> = {
    percent: [
      ENCODINGS['percent-encoded throughout, in lower case']?.(value) ?? '',
      encodeURIComponent('agentcage:"&<key>'),
    ],
    JSON: [ENCODINGS['a JSON string, escaped throughout']?.(value) ?? '', 'agentcage:\\"&<key>'],
    HTML: [ENCODINGS['HTML, decimal']?.(value) ?? '', 'agentcage:&#34;&#38;&#60;key&#62;'],
    hex: [Buffer.from(value).toString('hex'), Buffer.from('agentcage:"&<key>').toString('hex')],
    backwards: [backwards(value), backwards('agentcage:"&<key>')],
  }
  for (const [how, [written, expected]] of Object.entries(cases))
    test(how, () => assert.equal(secrets.redactText(`(${written})`), `(${expected})`))
})

/** The workload chooses what stands before a value in a text that a server wraps, and so where its lines end. */
describe('attack: a line end anywhere in a value', () => {
  const value = VALUES['a key'] as string
  const secrets = new SecretSet([binding({ value })])
  for (const [how, wrapped] of Object.entries({
    'quoted-printable': (before: number) => `${value.slice(0, before)}=\r\n${value.slice(before)}`,
    'base64 in lines': (before: number) =>
      Buffer.from(`${'-'.repeat(60 - before)}${value}`)
        .toString('base64')
        .replace(/.{76}/g, '$&\r\n'),
    'a character a line': (before: number) => value.split('').join('\n'.repeat(1 + (before % 3))),
  })) {
    test(how, () => {
      for (let before = 1; before < 12; before += 1) {
        const bytes = Buffer.from(`[${wrapped(before)}]`)
        const whole = redact(secrets, [bytes], false)
        assert.deepEqual(whole.names, ['API_KEY'], `${before}`)
        assert.deepEqual(redact(secrets, split(bytes, [...bytes.keys()]), false), whole)
        assert.equal(secrets.bodyRedactor().whole(bytes).toString(), whole.text)
      }
    })
  }
})

describe('pace', () => {
  const secrets = new SecretSet([binding({ value: 'data-value-of-a-secret' })])
  const events = [
    'data: {"text":"d"}\n\n',
    'data: {"text":"data-value"}\n\n',
    'progress: data\n',
    'event: d\n\n',
    '{"d":"data"}\n',
  ]
  for (const event of events) {
    test(`nothing of ${JSON.stringify(event)} is held back`, () => {
      const redactor = secrets.bodyRedactor()
      for (let round = 0; round < 3; round += 1) assert.equal(redactor.push(Buffer.from(event)).toString(), event)
      assert.equal(redactor.end().length, 0)
    })
  }

  test('attack: a server that spaces the start of a value out for ever is not waited for', () => {
    const redactor = secrets.bodyRedactor()
    let held = redactor.push(Buffer.from('data-value-of')).length
    for (let round = 0; round < 100; round += 1) held = redactor.push(Buffer.alloc(1000, ' ')).length
    assert.equal(held, 1000)
  })
})

const letters = fc.constantFrom('s', 'k', '-', '4', '1', '%', '\\', 'n', '"', '&', ';', '=', ' ', '\n', 'é')
const anyValue = fc.string({ unit: letters, minLength: 1, maxLength: 24 }).filter((text) => text.trim() !== '')
const around = fc.string({ unit: letters, maxLength: 30 })
const encoding = fc.constantFrom(...Object.values(ENCODINGS))

test('property: no split changes the result, and no value is left', () => {
  const cuts = fc.array(fc.nat(1000), { maxLength: 12 })
  const piece = fc.tuple(around, fc.nat(2), encoding)
  fc.assert(
    fc.property(
      fc.array(anyValue, { minLength: 1, maxLength: 3 }),
      fc.array(piece, { maxLength: 6 }),
      cuts,
      (values, pieces, at) => {
        const secrets = new SecretSet(
          values.map((value, index) => binding({ name: `S${index}`, placeholder: `ZZZZZZZZ${'ABC'[index]}`, value })),
        )
        const text = pieces
          .map(([before, which, encode]) => before + encode(values[which % values.length] as string))
          .join('')
        const whole = redact(secrets, [Buffer.from(text)]).text
        assert.equal(redact(secrets, split(Buffer.from(text), at)).text, whole)
        // A shorter one may stand in what a placeholder becomes in base64.
        for (const value of values) if (value.length >= 8) assert.equal(whole.includes(value), false)
      },
    ),
    { numRuns: 2000 },
  )
})

test('property: text without a value is not touched', () => {
  const secrets = new SecretSet([binding({ value: 'sk-ant-api03-Zk3_x9-QbLr7TnVw2YpHsJd8' })])
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      assert.equal(redact(secrets, [Buffer.from(text)]).text, text)
    }),
  )
})
