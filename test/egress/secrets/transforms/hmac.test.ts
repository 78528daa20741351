/**
 * Signatures with a key that the workload does not have: in place of the placeholder, or of the signature that the
 * placeholder makes as a key. What is signed is what a strict template names.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { findSignature, keyBytes, signWithHmac, type HmacRule } from '../../../../src/egress/secrets/transforms/hmac.ts'
import { renderMessage, type MessageParts } from '../../../../src/egress/secrets/transforms/hmac-message.ts'
import { parseTemplate } from '../../../../src/policy/message-template.ts'

const REQUEST: MessageParts = {
  method: 'POST',
  host: 'api.test',
  target: '/orders?a=1&b=2',
  headers: ['X-Signature', 'agentcage-placeholder'],
  body: Buffer.from('{"amount":1}'),
  timestamp: undefined,
}

const PLACEHOLDER = 'agentcage-placeholder'
const NOW = new Date(1_700_000_000_500)

/** The header fields of the request once it is signed with `key`; undefined when it has nothing to sign. */
function signed(request: MessageParts, how: HmacRule, key = 'key'): readonly string[] | undefined {
  const decoy = { placeholder: PLACEHOLDER, key: Buffer.from(PLACEHOLDER) }
  const found = findSignature(request, how, { decoy, now: NOW })
  return found && signWithHmac(request, how, { found, key: Buffer.from(key), now: NOW })
}

function rule(message: string, parts: Partial<HmacRule> = {}): HmacRule {
  return {
    algorithm: 'sha256',
    encoding: 'hex',
    header: 'X-Signature',
    message: parseTemplate(message),
    timestamp: undefined,
    ...parts,
  }
}

function signatureOf(headers: readonly string[] | undefined): string | undefined {
  return headers?.[headers.indexOf('X-Signature') + 1]
}

describe('published values', () => {
  const FOX = 'The quick brown fox jumps over the lazy dog'
  for (const [algorithm, signature] of [
    ['sha1', 'de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9'],
    ['sha256', 'f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8'],
    [
      'sha512',
      'b42af09057bac1e2d41708e48a902e09b5ff7f12ab428a4fe86653c73dd248fb82f948a549f7b791a5b41915ee4d1ec3935357e4e2317250d0372afa2ebeeb3a',
    ],
  ] as const) {
    test(algorithm, () => {
      const request = { ...REQUEST, body: Buffer.from(FOX) }
      assert.equal(signatureOf(signed(request, rule('{body}', { algorithm }))), signature)
    })
  }

  test("GitHub's example of a webhook", () => {
    const headers = ['X-Hub-Signature-256', 'sha256=agentcage-placeholder']
    const request = { ...REQUEST, headers, body: Buffer.from('Hello, World!') }
    const fields = signed(request, rule('{body}', { header: 'X-Hub-Signature-256' }), "It's a Secret to Everybody")
    assert.deepEqual(fields, [
      'X-Hub-Signature-256',
      'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
    ])
  })
})

describe('where the signature belongs', () => {
  test('the signature that the placeholder makes as a key is replaced too', () => {
    const decoy = signatureOf(signed(REQUEST, rule('{method}{target}{body}'), PLACEHOLDER))
    const real = signatureOf(signed(REQUEST, rule('{method}{target}{body}')))
    assert.notEqual(real, decoy)
    const request = { ...REQUEST, headers: ['X-Signature', `v1=${decoy}`] }
    assert.equal(signatureOf(signed(request, rule('{method}{target}{body}'))), `v1=${real}`)
  })

  test('a signature of something else is refused', () => {
    const decoy = signatureOf(signed(REQUEST, rule('{body}'), PLACEHOLDER))
    const request = { ...REQUEST, body: Buffer.from('other'), headers: ['X-Signature', String(decoy)] }
    assert.throws(() => signed(request, rule('{body}')), {
      name: 'TransformRefused',
      message: /X-Signature holds neither the placeholder nor the signature/,
    })
  })

  test('a request without the header is not signed', () => {
    assert.equal(signed({ ...REQUEST, headers: [] }, rule('{body}')), undefined)
  })

  test('two such headers are refused', () => {
    const headers = [...REQUEST.headers, ...REQUEST.headers]
    assert.throws(() => signed({ ...REQUEST, headers }, rule('{body}')), /several X-Signature/)
  })

  test('encodings', () => {
    for (const [encoding, pattern] of [
      ['hex', /^[0-9a-f]{64}$/],
      ['base64', /^[A-Za-z0-9+/]{43}=$/],
      ['base64url', /^[A-Za-z0-9_-]{43}$/],
    ] as const)
      assert.match(String(signatureOf(signed(REQUEST, rule('{body}', { encoding })))), pattern)
  })
})

describe('the time of a request', () => {
  const timed = (unit: 's' | 'ms'): HmacRule => rule('{timestamp}{body}', { timestamp: { header: 'X-Time', unit } })

  test('is filled in where it is missing', () => {
    for (const [unit, expected] of [
      ['s', '1700000000'],
      ['ms', '1700000000500'],
    ] as const) {
      const headers = signed(REQUEST, timed(unit))
      assert.deepEqual(headers?.slice(2), ['X-Time', expected])
      const again = signed({ ...REQUEST, headers: ['X-Time', expected, ...REQUEST.headers] }, timed(unit))
      assert.equal(signatureOf(again), signatureOf(headers))
    }
  })

  test('must be about now', () => {
    for (const value of ['1699999699', '1700000801', 'now', '-1', '1e9', ''])
      assert.throws(
        () => signed({ ...REQUEST, headers: ['X-Time', value, ...REQUEST.headers] }, timed('s')),
        /X-Time is not now/,
        value,
      )
  })

  test('is given once', () => {
    const headers = ['X-Time', '1700000000', 'x-time', '1700000000', ...REQUEST.headers]
    assert.throws(() => signed({ ...REQUEST, headers }, timed('s')), /several X-Time/)
  })
})

describe('templates', () => {
  const render = (template: string): string =>
    renderMessage(parseTemplate(template), { ...REQUEST, timestamp: '17', headers: ['X-Nonce', 'n'] }).toString()

  test('every part', () => {
    assert.equal(
      render('{{{method}}} {host}|{target}|{path}|{query}|{timestamp}|{header:x-NONCE}|\n{body}'),
      '{POST} api.test|/orders?a=1&b=2|/orders|a=1&b=2|17|n|\n{"amount":1}',
    )
  })

  test('the body stays bytes', () => {
    const body = Buffer.from([0, 255, 128])
    assert.deepEqual(renderMessage(parseTemplate('{body}'), { ...REQUEST, body }), body)
  })

  test('what is wrong is said with its position', () => {
    for (const [template, message] of [
      ['ab{bdy}', /"\{bdy\}" at position 3 is none of \{method\}/],
      ['{Body}', /at position 1/],
      ['{}', /"\{\}" at position 1/],
      ['a{body', /"\{" at position 2 is not closed/],
      ['a}', /"\}" at position 2 closes nothing/],
      ['{header:}', /position 1/],
      ['{header:a b}', /position 1/],
      ['{body}}', /"\}" at position 7/],
    ] as const)
      assert.throws(() => parseTemplate(template), { name: 'SyntaxError', message }, template)
  })

  test('a header that is missing or there twice is refused', () => {
    for (const headers of [[], ['X-Nonce', '1', 'x-nonce', '2']])
      assert.throws(
        () => renderMessage(parseTemplate('{header:X-Nonce}'), { ...REQUEST, headers }),
        /exactly one header x-nonce/,
      )
  })
})

test('keys as text, hex and base64', () => {
  assert.deepEqual(keyBytes('kéy', 'text'), Buffer.from('kéy'))
  assert.deepEqual(keyBytes('00fF', 'hex'), Buffer.from([0, 255]))
  assert.deepEqual(keyBytes('+/8=', 'base64'), Buffer.from([0xfb, 0xff]))
  assert.deepEqual(keyBytes('-_8', 'base64'), Buffer.from([0xfb, 0xff]))
  for (const [text, encoding] of [
    ['0', 'hex'],
    ['0g', 'hex'],
    ['agentcage:secret:x', 'base64'],
    ['', 'base64'],
    ['a', 'base64'],
  ] as const)
    assert.equal(keyBytes(text, encoding), undefined, text)
})
