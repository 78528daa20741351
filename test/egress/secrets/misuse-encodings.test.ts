/**
 * Placeholders and real values in disguise.
 *
 * Escaped in every way, in base64 at each alignment, in hexadecimal, backwards, in pieces, and several of these around
 * each other: a host outside `inject_to` gets none of it. Ordinary content is not taken for it.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { OutboundRequest } from '../../../src/egress/secrets/binding.ts'
import {
  canonicalBlocks,
  canonicalBytes,
  canonicalForm,
  CanonicalWalk,
  Desk,
} from '../../../src/egress/secrets/canonical.ts'
import { SecretSet } from '../../../src/egress/secrets/secret-set.ts'
import { ENCODINGS, NESTED } from './encodings.ts'
import { binding, misuse, onTheWire, PLACEHOLDER, request, split, VALUE } from './example.ts'

/** A key as they are, one that needs escapes everywhere, and one with an escape in it. */
const VALUES: Readonly<Record<string, string>> = {
  'a key': 'sk-ant-api03-Zk3_x9-QbLr7TnVw2YpHsJd8',
  'a password': VALUE,
  'a value with characters of several bytes': 'pässwörd-日本語-🔑-key',
}

const PLACES: Readonly<Record<string, (text: string) => Partial<OutboundRequest>>> = {
  'a body': (text) => ({ body: Buffer.from(`{"text": "before ${text} after"}`) }),
  'a body that begins and ends with it': (text) => ({ body: Buffer.from(text) }),
  'a header field': (text) => ({ headers: ['X-Note', `a ${onTheWire(text.replaceAll(/[\r\n]/g, ' '))}`] }),
  'the query': (text) => ({ target: `/?q=${onTheWire(text.replaceAll(/[\r\n ]/g, '+'))}&r=1` }),
}

for (const [what, value] of Object.entries(VALUES)) {
  const secrets = new SecretSet([binding({ value })])
  for (const [how, encode] of Object.entries({ ...ENCODINGS, ...NESTED })) {
    test(`${what}, ${how}`, () => {
      for (const [where, put] of Object.entries(PLACES)) {
        const parts = put(encode(value))
        assert.deepEqual(
          misuse(secrets, request('evil.test', parts)),
          {
            kind: 'value',
            name: 'API_KEY',
            reason: 'literal secret value API_KEY found in outbound request to evil.test',
          },
          where,
        )
        assert.equal(misuse(secrets, request('api.test', parts)), undefined, where)
      }
    })
  }
}

const secrets = new SecretSet([binding({})])
for (const [how, encode] of Object.entries({ ...ENCODINGS, ...NESTED })) {
  test(`a placeholder, ${how}`, () => {
    const body = Buffer.from(`before ${encode(PLACEHOLDER)} after`)
    assert.equal(misuse(secrets, request('evil.test', { body }))?.kind, 'placeholder')
  })
}

describe('what is none', () => {
  test('values of fewer than eight bytes are looked for as they are and escaped only', () => {
    const short = new SecretSet([binding({ value: 's3cr3t!' })])
    const found = (text: string): boolean =>
      misuse(short, request('evil.test', { body: Buffer.from(text) })) !== undefined
    assert.ok(found('s3cr3t!') && found('s3cr3t%21') && found('"\\u00733cr3t!"'))
    assert.ok(!found('s 3 c r 3 t !') && !found(Buffer.from('s3cr3t!').toString('hex')) && !found('!t3rc3s'))
  })

  test('a value of symbols is not found in what is left of other text without them', () => {
    const symbols = new SecretSet([binding({ value: '-_=+/.,;:|-_a' })])
    assert.equal(misuse(symbols, request('evil.test', { body: Buffer.from('an apple a day') })), undefined)
  })

  test('attack: a mark before what is encoded, so that its beginning is read as an escape', () => {
    for (const value of Object.values(VALUES)) {
      const set = new SecretSet([binding({ value })])
      for (const encode of Object.values(ENCODINGS)) {
        for (const mark of ['%', '\\', '&', '&#', '&#x', '\\u', '\\x', '%2', '\\u00', '%25', '\\\\u']) {
          const body = Buffer.from(`a ${mark}${encode(value)}`)
          assert.equal(misuse(set, request('evil.test', { body }))?.kind, 'value', `${mark}${encode(value)}`)
        }
      }
    }
  })

  test('most of a value is not the value', () => {
    const value = 'sk-ant-api03-Zk3_x9-QbLr7TnVw2YpHsJd8'
    const set = new SecretSet([binding({ value })])
    for (const encode of Object.values(ENCODINGS)) {
      const body = Buffer.from(encode(value.slice(0, -6)))
      assert.equal(misuse(set, request('evil.test', { body })), undefined)
    }
  })
})

describe('the canonical form', () => {
  const piece = fc.constantFrom(
    ...'a,B,-, ,%41,%,%2,%2541,\\u0041,\\u00,\\,\\\\,\\n,&,&#65;,&#x,41,&amp;,&lowbar;,;,\\ud83d\\ude00,\\ud83d,é,日,\0,\\x41,{,u'.split(
      ',',
    ),
  )
  const text = fc.array(piece, { maxLength: 60 }).map((pieces) => Buffer.from(pieces.join('')))

  test('property: blocks, and bytes that lie anywhere in memory, make no difference', () => {
    fc.assert(
      fc.property(text, fc.nat(7), (bytes, shift) => {
        const moved = Buffer.concat([Buffer.alloc(shift), bytes]).subarray(shift)
        const whole = canonicalBytes(bytes)
        assert.deepEqual(canonicalBytes(moved), whole)
        assert.deepEqual(Buffer.concat([...canonicalBlocks(bytes, 0)]), whole)
      }),
      { numRuns: 1000 },
    )
  })

  test('property: a long text, which passes are used for, gives what its short pieces give', () => {
    const long = fc.array(piece, { minLength: 200, maxLength: 400 }).map((pieces) => pieces.join(''))
    fc.assert(
      fc.property(long, fc.nat(100), fc.nat(7), (pieces, words, shift) => {
        const bytes = Buffer.from(
          `${'-'.repeat(shift)}${`${pieces}${' some words'.repeat(words)}`.repeat(40)}`,
        ).subarray(shift)
        const parts: Buffer[] = []
        for (let at = 0; at < bytes.length;) {
          const part = bytes.subarray(at, at + 900)
          const isLast = at + part.length === bytes.length
          const { bytes: canonical, end } = canonicalForm(part, { isLast, tail: 0 }, Buffer.alloc(part.length + 8))
          assert.ok(end > 0)
          parts.push(canonical)
          at += end
        }
        const whole = Buffer.concat(parts)
        assert.ok(canonicalBytes(bytes).equals(whole))
        // One place in memory is used for block after block.
        const blocks = Array.from(canonicalBlocks(bytes, 0), (block) => Buffer.from(block))
        assert.ok(Buffer.concat(blocks).equals(whole))
      }),
      { numRuns: 10, endOnFailure: true },
    )
  })

  test('property: what is read of a part is read the same with more behind it', () => {
    fc.assert(
      fc.property(text, fc.nat(200), (bytes, at) => {
        const [first = bytes] = split(bytes, [at])
        const { bytes: start, end } = canonicalForm(first, { isLast: false, tail: at }, new Desk().for(first.length))
        assert.deepEqual(Buffer.concat([start, canonicalBytes(bytes.subarray(end))]), canonicalBytes(bytes))
      }),
      { numRuns: 1000 },
    )
  })

  test('property: the way back leads to what is read there', () => {
    fc.assert(
      fc.property(text, (bytes) => {
        // Of a number that is too large for a character, less may be one.
        const once = bytes.toString('latin1').replaceAll(/%(?:25)?41|\\u0041|\\x41|&#65;?/g, 'A')
        fc.pre(!/&#x?[0-9a-f]{6}/i.test(once))
        const canonical = canonicalBytes(bytes)
        const walk = new CanonicalWalk(bytes, true)
        let before = 0
        for (const at of canonical.keys()) {
          const { start, end } = walk.unitOf(at)
          assert.ok(start >= before && end > start && end <= bytes.length)
          const read = canonicalBytes(bytes.subarray(0, end))
          assert.ok(canonicalBytes(bytes.subarray(0, start)).length <= at && read.length > at)
          assert.equal(read[at], canonical[at])
          before = start
        }
      }),
      { numRuns: 500 },
    )
  })

  test('large texts, block by block, overlap', () => {
    const bytes = Buffer.from(`${'lorem ipsum '.repeat(20_000)}sk-ant-api03-Zk3`)
    const blocks = [...canonicalBlocks(bytes, 20)].map((block) => block.toString())
    assert.ok(blocks.length > 2)
    assert.ok(blocks.at(-1)?.endsWith('skantapi03Zk3'))
  })
})
