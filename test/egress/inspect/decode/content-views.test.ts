/**
 * Content is seen as it was sent and with its encodings undone, one in another, wherever it stands. Ordinary content has
 * no view but itself. What is past the limits is not passed over in silence.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { ContentViews, type Content } from '../../../../src/egress/inspect/decode/content-views.ts'
import { DECODE_LIMITS } from '../../../../src/egress/inspect/decode/limits.ts'
import { fuzz, mutate } from '../../../support/fuzz.ts'
import { CODINGS, COMPRESSORS, DISGUISES, ENCODERS, TEXT_ENCODERS } from './encodings.ts'

const SECRET = `AK${'IA'}QXMZKRPVTWNBHJ27`
const SECRET_BYTES = Buffer.from(SECRET)

function viewsOf(body: Buffer | string, rest: Partial<Content> = {}): ContentViews {
  return new ContentViews({ contentType: '', contentEncoding: '', body: Buffer.from(body as string), ...rest })
}

function sees(views: ContentViews, text = SECRET): boolean {
  return [...views].some(({ bytes }) => bytes.includes(text))
}

/** Bodies in which a text stands. */
const PLACES: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  alone: (bytes) => bytes,
  'in JSON': (bytes) => Buffer.concat([Buffer.from('{"model":"m","input":"'), bytes, Buffer.from('","n":1}')]),
  'in a form': (bytes) => Buffer.concat([Buffer.from('a=1&token='), bytes, Buffer.from('&b=2')]),
  'in a multipart field': (bytes) =>
    Buffer.concat([
      Buffer.from('--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n'),
      bytes,
      Buffer.from('\r\n--b--\r\n'),
    ]),
  'in an image': (bytes) =>
    Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1'), bytes, Buffer.from([0, 0xff, 0xd9])]),
  'in prose': (bytes) => Buffer.concat([Buffer.from('Here it is: '), bytes, Buffer.from(' - that was it.')]),
}

test('a compressed stream with bytes that look like escapes is opened as it is, and as that only', () => {
  const noise = Buffer.from(Array.from({ length: 4000 }, (_, index) => `${index * 7919} `).join(''))
  const stream = gzipSync(noise, { level: 1 })
  const text = Buffer.from('%41', 'latin1')
  const spoilt = Buffer.concat([stream.subarray(0, 60), text, stream.subarray(63)])
  const encodings = [...viewsOf(spoilt)].map((view) => view.encodings.join('+'))
  assert.ok(encodings.some((names) => names.startsWith('percent')))
  assert.ok(!encodings.some((names) => names.startsWith('percent') && names.includes('gzip')))
  const hidden = [...gzipSync(SECRET)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
  assert.ok(sees(viewsOf(Buffer.concat([stream, Buffer.from(`&${hidden}`)]))), 'one that escapes hide')
})

describe('one encoding', () => {
  for (const [name, encode] of Object.entries({ ...ENCODERS, ...TEXT_ENCODERS, ...COMPRESSORS })) {
    for (const [place, put] of Object.entries(PLACES)) {
      // zlib's header is too short to be looked for in the middle of bytes.
      if (name === 'zlib' && !['alone', 'in a multipart field'].includes(place)) continue
      test(`${name}, ${place}`, () => assert.ok(sees(viewsOf(put(encode(SECRET_BYTES))))))
    }
  }
  for (const [name, encode] of Object.entries(DISGUISES)) {
    for (const place of ['alone', 'in JSON', 'in a form', 'in prose']) {
      test(`${name}, ${place}`, () =>
        assert.ok(sees(viewsOf((PLACES[place] as (bytes: Buffer) => Buffer)(encode(SECRET_BYTES))))))
    }
  }
})

test('escapes behind zeros, and entities for what is not seen and for letters in another hand', () => {
  const zeros = '0'.repeat(5000)
  for (const escape of [`&#${zeros}88;`, `&#x${zeros}58;`, `\\u{${zeros}58}`, 'X&zwnj;', '&ZeroWidthSpace;X', '&Xopf;'])
    assert.ok(sees(viewsOf(SECRET.replace('X', escape))), escape.slice(0, 20))
  assert.equal([...viewsOf('a&nbsp;b &copy; 2026 &frac; &opf; &#; &#x;')].length, 1)
})

test('quoted-printable: lines that are full and broken in a word, and settings that only look so', () => {
  const full = `${'a line of some length, up to where it is broken by it'.padEnd(60, '.')} ${SECRET.slice(0, 8)}=\r\n${SECRET.slice(8)}`
  assert.ok(sees(viewsOf(full)))
  assert.ok(sees(viewsOf(`Content-Transfer-Encoding: quoted-printable\r\n\r\n${SECRET.replace('X', '=58')}`)))
  const far = `${'x\n'.repeat(5000)}content-transfer-encoding: quoted-printable\n\n${SECRET.replace('X', '=58')}`
  assert.ok(sees(viewsOf(far)), 'declared anywhere')
  assert.ok(sees(viewsOf(`Subject: =?utf-8?Q?${SECRET.replace('X', '=58')}?=`)), 'an encoded word')
  const settings = viewsOf('EMPTY=\nOTHER=\nconst long_name =\n  1\n?a=1f&b=2e\n')
  assert.equal([...settings].length, 1)
  const picture = Buffer.from(`\n${'\x89'.repeat(60)}a=\n\x01?Q?${'\x90'.repeat(60)}=?\x01?q?\x91`, 'latin1')
  assert.equal([...viewsOf(picture)].length, 1, 'a picture')
})

test('any nesting of encodings, as deep as they are undone', () => {
  const entries = Object.entries({ ...ENCODERS, ...COMPRESSORS }).filter(([name]) => name !== 'zlib')
  const text = Object.entries({ ...TEXT_ENCODERS, ...DISGUISES }).filter(([name]) => name !== 'UTF-16')
  fc.assert(
    fc.property(
      fc.option(fc.constantFrom(...text), { nil: undefined }),
      fc.array(fc.constantFrom(...entries), { minLength: 1, maxLength: 3 }),
      (inner, outer) => {
        // A stream inside base64 is one layer: it is looked for where it is written.
        // Of what stands in base32 only ASCII is seen.
        const names = [inner?.[0] ?? '', ...outer.map(([name]) => name)]
        const isHidden = (name: string) => name in COMPRESSORS || name in DISGUISES
        fc.pre(!names.some((name, at) => name.startsWith('base32') && isHidden(names[at - 1] ?? '')))
        let bytes = inner === undefined ? SECRET_BYTES : inner[1](SECRET_BYTES)
        for (const [, encode] of outer) bytes = encode(bytes)
        assert.ok(sees(viewsOf(bytes)), [inner?.[0], ...outer.map(([name]) => name)].join(' > '))
      },
    ),
    { numRuns: 500 },
  )
})

describe('compressed streams', () => {
  const random = randomBytes(40)
  const secret = Buffer.concat([Buffer.from(`${SECRET} `.repeat(3)), random])
  for (const [name, compress] of Object.entries({ gzip: gzipSync, zstd: zstdCompressSync, zip: zipOf, pack: packOf })) {
    for (const before of [0, 1, 2, 3, 4, 5]) {
      const bytes = Buffer.concat([Buffer.alloc(before, 0x99), compress(secret)])
      test(`${name} in base64 and hexadecimal, ${before} bytes before it`, () => {
        for (const text of [bytes.toString('base64'), bytes.toString('base64url'), bytes.toString('hex')]) {
          assert.ok(sees(viewsOf(text)))
          assert.ok(sees(viewsOf(JSON.stringify({ a: text.replace(/.{20}/g, '$&\r\n') }))), 'in lines')
        }
      })
    }
  }
  for (const windowBits of [9, 10, 11, 12, 13, 14, 15]) {
    for (const level of [1, 5, 6, 9]) {
      test(`zlib, a window of 2^${windowBits}, level ${level}`, () => {
        const stream = deflateSync(secret, { windowBits, level })
        assert.ok(sees(viewsOf(stream)))
        assert.ok(sees(viewsOf(Buffer.concat([Buffer.from('--b\r\nA: b\r\n\r\n'), stream, Buffer.from('\r\n--b--')]))))
        assert.ok(sees(viewsOf(JSON.stringify({ a: stream.toString('base64') }))))
        assert.ok(sees(viewsOf(JSON.stringify({ a: `\n${stream.toString('base64')}` }))))
        assert.ok(sees(viewsOf(JSON.stringify({ a: stream.toString('hex') }))))
      })
    }
  }
})

describe('Content-Encoding', () => {
  for (const [coding, encode] of CODINGS) {
    test(coding, () => {
      const views = viewsOf(encode(Buffer.from(`{"k":"${SECRET}"}`)), { contentEncoding: coding })
      assert.ok(sees(views))
      assert.equal(views.undecodable, undefined)
    })
  }
  test('what is unknown, too deep, broken or not what it says is told', () => {
    for (const [contentEncoding, body] of [
      ['snappy', Buffer.from('x')],
      ['gzip, gzip, gzip, gzip', Buffer.from('x')],
      ['gzip', Buffer.from('plain text')],
      ['br', Buffer.from([0xff, 0xff, 0xff, 0xff])],
      ['constructor', Buffer.from('x')],
    ] as const) {
      const views = viewsOf(body, { contentEncoding })
      assert.ok([...views].length > 0, contentEncoding)
      assert.equal(views.undecodable, contentEncoding)
    }
  })
  test('a stream that was cut gives what is there', () => {
    const whole = gzipSync(`${SECRET} ${'x'.repeat(50)}`, { level: 0 })
    assert.ok(sees(viewsOf(whole.subarray(0, -20), { contentEncoding: 'gzip' })))
  })
})

describe('charsets', () => {
  const wide = Array.from(SECRET, (character) => String.fromCharCode(character.charCodeAt(0) + 0xfee0)).join('')
  test('by declaration and by mark, with disguises in them', () => {
    assert.ok(sees(viewsOf(Buffer.from(wide, 'utf16le'), { contentType: 'text/plain; charset=UTF-16LE' })))
    assert.ok(sees(viewsOf(Buffer.from(`\ufeff${wide}`, 'utf16le'))))
    assert.ok(sees(viewsOf(Buffer.from(wide, 'utf16le').swap16(), { contentType: 'text/plain;charset="utf-16be"' })))
  })
  test('several at once: in each of them; one that nobody knows is told', () => {
    const body = Buffer.from(wide, 'utf16le').swap16()
    assert.ok(sees(viewsOf(body, { contentType: 'text/plain; charset=utf-8; charset=utf-16be' })))
    assert.ok(sees(viewsOf(body, { contentType: "text/plain; charset='utf-16le'; charset=utf-16be" })))
    const unknown = viewsOf('x', { contentType: 'text/plain; charset=cp037' })
    assert.equal([...unknown].length, 1)
    assert.equal(unknown.unknownCharset, 'cp037')
  })
  test('UTF-32, with and without a mark', () => {
    const utf32 = Buffer.from(
      Array.from(`\ufeff${SECRET}`).flatMap((character) => [
        character.charCodeAt(0) & 255,
        character.charCodeAt(0) >> 8,
        0,
        0,
      ]),
    )
    assert.ok(sees(viewsOf(utf32)))
    assert.ok(sees(viewsOf(utf32.subarray(4))))
  })
})

test('the head: path, query, host, header names and values', () => {
  const head = { host: 'a.test', path: '/', headers: [] as string[] }
  const encoded = SECRET_BYTES.toString('base64url')
  assert.ok(sees(viewsOf('', { ...head, path: `/v1/${encoded}/x` })))
  assert.ok(
    sees(
      viewsOf('', {
        ...head,
        path: `/v1?q=${encodeURIComponent(encodeURIComponent(`${SECRET}`).replace('K', '%4B'))}`,
      }),
    ),
  )
  assert.ok(sees(viewsOf('', { ...head, headers: ['X-Data', encoded] })))
  assert.ok(sees(viewsOf('', { ...head, headers: [encoded, '1'] })))
  assert.ok(
    sees(
      viewsOf('', { ...head, headers: ['Authorization', `Basic ${Buffer.from(`u:${SECRET}`).toString('base64')}`] }),
    ),
  )
  const hex = SECRET_BYTES.toString('hex')
  assert.ok(sees(viewsOf('', { ...head, host: `${hex}.evil.test` })))
  assert.ok(sees(viewsOf('', { ...head, host: `${hex.slice(0, 20)}.${hex.slice(20)}.evil.test` })))
})

test('views say where they come from and what was undone, and are made once', () => {
  const views = viewsOf(gzipSync(JSON.stringify({ k: SECRET_BYTES.toString('base64') })), {
    contentEncoding: 'gzip',
    path: '/x',
  })
  const found = [...views].find(({ bytes }) => bytes.includes(SECRET))
  assert.deepEqual([found?.origin, found?.encodings], ['body', ['gzip', 'base64']])
  assert.deepEqual([...views], [...views])
  assert.equal(
    [...views].find(({ bytes }) => bytes.includes(SECRET)),
    found,
  )
})

describe('limits', () => {
  test('ordinary JSON is its only view, nothing is copied', () => {
    const text = JSON.stringify({
      a: 'line\nnext "quoted" <b> \u2019 \u00e9 100% & more',
      list: Array.from({ length: 1000 }, (_, n) => ({ n, s: 'a\tb\\c' })),
    })
    const views = viewsOf(text)
    assert.equal([...views].length, 1)
    assert.equal(views.decodedBytes, 0)
  })
  test('a bomb stops at the budget, whatever way it comes', () => {
    const bomb = gzipSync(Buffer.alloc(200_000_000))
    const most = DECODE_LIMITS.maxBytes(bomb.length)
    const declared = viewsOf(bomb, { contentEncoding: 'gzip' })
    assert.ok([...declared].every(({ bytes }) => bytes.length <= most))
    assert.equal(declared.undecodable, 'gzip')
    for (const body of [bomb, Buffer.from(bomb.toString('base64'))]) {
      const views = viewsOf(body)
      assert.ok(
        [...views].every(({ bytes }) => bytes.length <= Math.max(body.length, DECODE_LIMITS.maxBytes(body.length))),
      )
      assert.ok(views.isTooLarge)
      assert.ok(views.decodedBytes <= DECODE_LIMITS.maxBytes(body.length))
    }
  })
  test('nesting that goes on below the last layer is told', () => {
    let text = SECRET
    for (let layer = 0; layer < 6; layer += 1) text = Buffer.from(text).toString('base64')
    const views = viewsOf(text)
    assert.ok(!sees(views))
    assert.deepEqual([views.isTooDeep, views.isTooLarge], [true, false])
  })
  test('many streams are not all opened', () => {
    const one = `"${gzipSync('x'.repeat(40)).toString('base64')}",`
    const views = viewsOf(one.repeat(10_000))
    assert.ok([...views].length < DECODE_LIMITS.maxViews)
    assert.ok(views.isTooMany)
  })
  test('much of everything: 10 MB in one line, 100 000 fields, deep JSON', () => {
    const bodies = [
      JSON.stringify({ text: 'lorem ipsum dolor '.repeat(580_000) }),
      Array.from({ length: 100_000 }, (_, n) => `f${n}=%41${n}`).join('&'),
      `${'['.repeat(500_000)}1${']'.repeat(500_000)}`,
      '%25'.repeat(300_000),
      '\\'.repeat(1_000_000),
      '\\u0041'.repeat(150_000),
      '&amp;'.repeat(200_000),
      'A'.repeat(1_000_000),
      '41'.repeat(500_000),
      '\0a'.repeat(500_000),
      '\u200b'.repeat(300_000),
    ]
    for (const body of bodies) {
      const views = viewsOf(body)
      const bytes = [...views].reduce((sum, view) => sum + view.bytes.length, 0)
      assert.ok(views.decodedBytes <= DECODE_LIMITS.maxBytes(Buffer.byteLength(body)), body.slice(0, 20))
      assert.ok(bytes <= Buffer.byteLength(body) + views.decodedBytes)
    }
  })
})

test('never throws, never passes its budget: mutated encodings', async (t) => {
  const encoders = Object.values({ ...ENCODERS, ...TEXT_ENCODERS, ...DISGUISES, ...COMPRESSORS })
  await fuzz(t, { runs: 1500 }, (random) => {
    let bytes = Buffer.from(`{"a":"${SECRET}","b":[1,2]}`)
    for (let layers = random.uint32() % 4; layers > 0; layers -= 1) {
      bytes = Buffer.from((encoders[random.uint32() % encoders.length] as (bytes: Buffer) => Buffer)(bytes))
    }
    const body = Buffer.from(mutate(random, bytes))
    const views = viewsOf(body, {
      contentEncoding: ['', 'gzip', 'deflate', 'br', 'zstd'][random.uint32() % 5] as string,
    })
    assert.ok([...views].length <= DECODE_LIMITS.maxViews + 8)
    assert.ok(views.decodedBytes <= DECODE_LIMITS.maxBytes(body.length))
  })
})

/** One member, without a directory. */
function zipOf(bytes: Buffer): Buffer {
  const head = Buffer.alloc(30)
  head.write('PK\x03\x04\x14', 'latin1')
  head.writeUInt16LE(8, 8)
  return Buffer.concat([head, deflateRawSync(bytes)])
}

/** A pack of git's with one object, of which the size is not true. */
function packOf(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from('PACK\0\0\0\x02\0\0\0\x01\x3f', 'latin1'), deflateSync(bytes)])
}
