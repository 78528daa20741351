/**
 * Values that change while the egress runs.
 *
 * The new value is put in from the next request on. What was secret once stays so: the old value is redacted, and blocked
 * on its way to where the secret may not go, until the egress ends. So are values that came while it ran.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Placeholder } from '../../../src/secrets/placeholders.ts'
import type { ProtectedValue } from '../../../src/egress/secrets/binding.ts'
import { keptWithin, MOST_KEPT } from '../../../src/egress/secrets/kept-values.ts'
import { SecretSet } from '../../../src/egress/secrets/secret-set.ts'
import { Secret } from '../../../src/secrets/secret.ts'
import { get } from '../../support/proxy-client.ts'
import { startBed, type BedOptions } from '../bed.ts'
import { binding, misuse, PLACEHOLDER, request } from './example.ts'

const [OLD, NEW] = ['old-value-0123456789', 'new-value-abcdefghij']

function redacted(secrets: SecretSet, text: string): string {
  return secrets.redactText(text)
}

function bodyOf(secrets: SecretSet, body: Buffer): Buffer {
  const redactor = secrets.bodyRedactor({ pauses: false })
  return Buffer.concat([redactor.push(body), redactor.end()])
}

describe('a set that takes the place of another', () => {
  const before = new SecretSet([binding({ value: OLD })])
  const after = new SecretSet([binding({ value: NEW, placeholder: 'NEW-PLACEHOLDER' })], { before })

  test('puts the new value in', () => {
    assert.deepEqual(after.inject(request('api.test', { headers: ['X-Key', 'NEW-PLACEHOLDER'] })).headers, [
      'X-Key',
      NEW,
    ])
  })

  test('redacts both, as what the workload holds now', () => {
    assert.equal(redacted(after, `${OLD} ${NEW}`), 'NEW-PLACEHOLDER NEW-PLACEHOLDER')
  })

  test('keeps both from hosts that may not have the secret, and from no others', () => {
    for (const value of [OLD, NEW]) {
      const parts = { body: Buffer.from(value) }
      assert.equal(misuse(after, request('evil.test', parts))?.kind, 'value')
      assert.equal(misuse(after, request('api.test', parts)), undefined)
    }
  })

  test('goes on to expect stored values of a rule that put them in bodies, from every host', () => {
    const { authority } = request('evil.test')
    const credentials = binding({ value: OLD, injectBody: false })
    assert.equal(new SecretSet([credentials]).mayServe(authority), false)
    assert.equal(new SecretSet([credentials], { before }).mayServe(authority), true)
    assert.equal(new SecretSet([], { before: after }).mayServe(authority), true)
  })

  test('without the rule the value is kept from everybody', () => {
    const none = new SecretSet([], { before: after })
    assert.equal(none.isEmpty, false)
    assert.equal(redacted(none, `${OLD} ${NEW}`), 'NEW-PLACEHOLDER NEW-PLACEHOLDER')
    for (const value of [OLD, NEW])
      assert.equal(misuse(none, request('api.test', { body: Buffer.from(value) }))?.kind, 'value')
  })

  test('and a value that is back again is one like any other', () => {
    const back = new SecretSet([binding({ value: OLD })], { before: after })
    assert.equal(redacted(back, `${OLD} ${NEW}`), `${PLACEHOLDER} ${PLACEHOLDER}`)
    assert.equal(back.values.length, 2)
  })
})

describe('a value that came while the egress runs', () => {
  const token = {
    name: 'TOKEN',
    placeholder: 'TOKEN-PLACEHOLDER' as Placeholder,
    value: new Secret('TOKEN', 'minted-token-0123456789'),
    injectTo: [{ host: 'api.test' as never }],
  }

  test('is redacted and kept from other hosts, and stays so', () => {
    const secrets = new SecretSet([binding({})])
    secrets.protect(token)
    for (const set of [secrets, new SecretSet([binding({})], { before: secrets })]) {
      assert.equal(redacted(set, 'x minted-token-0123456789'), 'x TOKEN-PLACEHOLDER')
      const parts = { body: Buffer.from(Buffer.from('minted-token-0123456789').toString('base64')) }
      assert.equal(misuse(set, request('evil.test', parts))?.name, 'TOKEN')
    }
    assert.equal(misuse(secrets, request('api.test', { body: Buffer.from('minted-token-0123456789') })), undefined)
  })

  test('property: learned one by one, values are kept as if all had been known from the start', () => {
    const piece = fc.string({ unit: 'grapheme-ascii', minLength: 8, maxLength: 40 })
    const texts = fc.uniqueArray(piece, { minLength: 1, maxLength: 12, selector: (text) => text.toLowerCase() })
    const written = fc.constantFrom('utf8', 'base64', 'base64url', 'hex')
    const check = fc.property(texts, written, fc.nat(), (values, encoding, seed) => {
      const all = values.map((text, at) => ({
        ...token,
        name: `T${at}`,
        value: new Secret(`T${at}`, `${text}~${at}~`),
      }))
      const once = new SecretSet([], { guards: { values: all, placeholders: [] } })
      const learned = new SecretSet([binding({})])
      for (const value of all) learned.protect(value)
      const shown = (all[seed % all.length] as ProtectedValue).value.reveal()
      const body = Buffer.from(`a ${Buffer.from(shown).toString(encoding as BufferEncoding)} z`)
      assert.deepEqual(bodyOf(learned, body), bodyOf(once, body))
      assert.notDeepEqual(bodyOf(learned, body), body)
      assert.equal(misuse(learned, request('evil.test', { body }))?.kind, 'value')
    })
    fc.assert(check, { numRuns: 60 })
  })

  test('the same one twice is one; an empty one is refused', () => {
    const secrets = new SecretSet([])
    secrets.protect(token)
    secrets.protect(token)
    assert.equal(secrets.values.length, 1)
    assert.throws(() => secrets.protect({ ...token, value: new Secret('TOKEN', '') }), TypeError)
  })

  describe('attack: a server that gives ever new ones, until there is no room', () => {
    const now = Date.parse('2026-01-01T00:00:00Z')
    const minted = (at: number, expiresAt?: number) => ({
      ...token,
      value: new Secret('TOKEN', `minted-token-of-number-${at}-`),
      expiresAt,
    })
    const many = (endOf: (at: number) => number | undefined): readonly ProtectedValue[] =>
      Array.from({ length: MOST_KEPT }, (_, at) => minted(at, endOf(at)))

    test('the oldest that has ended goes, and no more than that', () => {
      const values = many((at) => (at === 3 || at === 9 ? now : now + 1))
      assert.deepEqual(keptWithin(values, now), { kept: values, dropped: [] })
      const { kept, dropped } = keptWithin([...values, minted(MOST_KEPT)], now)
      assert.deepEqual(dropped, [values[3]])
      assert.deepEqual(kept, [...values.filter((value) => value !== values[3]), minted(MOST_KEPT)])
    })

    test('what may still count never goes', () => {
      for (const values of [many(() => undefined), many(() => now + 1)])
        assert.throws(() => keptWithin([...values, minted(MOST_KEPT)], now), { code: 'secret_invalid' })
    })

    test('in a set: told, or refused with all of them still secret', () => {
      const told: string[] = []
      const before = new SecretSet([], { guards: { values: many(() => now + 1), placeholders: [] } })
      let time = now
      const secrets = new SecretSet([], { before, clock: () => new Date(time), log: (line) => told.push(line) })
      const isKept = (at: number): boolean => redacted(secrets, `minted-token-of-number-${at}-`) === 'TOKEN-PLACEHOLDER'
      assert.throws(() => secrets.protect(minted(MOST_KEPT)), { code: 'secret_invalid', message: /more than 1024/ })
      assert.deepEqual([isKept(0), isKept(MOST_KEPT - 1), told.length], [true, true, 0])
      secrets.protect(minted(0, now + 1000))
      time = now + 1
      secrets.protect(minted(MOST_KEPT))
      assert.deepEqual([0, 1, 2, MOST_KEPT].map(isKept), [true, false, true, true])
      assert.deepEqual(told, ['1 tokens that have ended are no longer looked for, to make room: TOKEN'])
    })
  })
})

test('in a running egress: the new value from the next request on, the old one redacted and blocked', async (t) => {
  const secrets: Record<string, string> = { KEY: OLD }
  const rule = { env: 'KEY', placeholder: PLACEHOLDER, inject_to: ['api.test'] }
  const options: BedOptions = {
    hosts: { 'api.test': {}, 'other.test': {} },
    config: { secret_injection: [rule] },
    secrets,
  }
  const bed = await startBed(t, options)
  const { proxy, ca } = bed
  const ask = () => get('https://api.test/', { proxy, ca, headers: { 'X-Key': PLACEHOLDER, 'X-Old': OLD } })
  await ask()
  secrets['KEY'] = NEW
  await bed.reload({})
  const response = await ask()
  const [first, second] = bed.server('api.test').requests
  assert.ok(first?.rawHeaders.includes(OLD) && second?.rawHeaders.includes(NEW))
  assert.ok(!response.body.includes(OLD) && !response.body.includes(NEW))
  const denied = await get('https://other.test/', { proxy, ca, method: 'POST', body: OLD })
  bed.denied(denied, { status: 403, code: 'secret_literal', host: 'other.test' })
})
