/**
 * Whatever a body is made of, the whole chain is done with it in a time that grows with its length, and within the bytes
 * that may be decoded: more would take minutes here, and the runner's limit ends it.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { configSchema } from '../../../src/config/schema.ts'
import { DECODE_LIMITS } from '../../../src/egress/inspect/decode/limits.ts'
import { viewsOfRequest } from '../../../src/egress/inspect/decode/context-views.ts'
import { PatternMatcher } from '../../../src/egress/inspect/patterns/matcher.ts'
import { SECRET_PATTERNS } from '../../../src/egress/inspect/patterns/table.ts'
import { makeRuling } from '../../../src/egress/ruling.ts'
import { contextOf, randomLike, type Sent } from './entropy-traffic.ts'

const MEGA = 1_000_000
const config = configSchema.parse({
  domains: { mode: 'blocklist' },
  rate_limit: { requests_per_second: 0 },
  max_request_body: 100 * MEGA,
})
const { ruling } = await makeRuling(config, [], () => new Date())

/** What the chain says; the runner ends what does not end. */
async function judge(sent: Sent): Promise<string> {
  const context = contextOf({ host: 'any.test', ...sent })
  const head = await ruling.chain.inspectHead(context)
  const { findings, denial } = await ruling.chain.inspectRequest({ ...context, priorResults: head.findings })
  return denial?.message ?? findings.map(({ reason }) => reason).join('; ')
}

/** As `judge`, and that no more is decoded than may be. */
async function judgeWithin(sent: Sent): Promise<string> {
  const context = contextOf({ host: 'any.test', ...sent })
  const views = viewsOfRequest(context)
  for (const view of views)
    assert.ok(view.bytes.length <= DECODE_LIMITS.maxBytes(context.body.length) + context.body.length)
  assert.ok(views.decodedBytes <= DECODE_LIMITS.maxBytes(context.body.length))
  return judge(sent)
}

function repeated(text: string, bytes = MEGA): Buffer {
  return Buffer.from(text.repeat(Math.ceil(bytes / text.length)), 'latin1')
}

describe('one thing, over and over', () => {
  const units: Readonly<Record<string, string>> = {
    'the beginning of gzip in base64': 'H4sI',
    'the beginning of zstd in base64': 'KLUv',
    'the beginning of zlib in base64': `eJ${'A'.repeat(30)} `,
    'the beginning of gzip in hexadecimal': '1f8b08',
    'the beginning of zstd in hexadecimal': '28b52ffd',
    'the beginning of gzip': '\x1f\x8b\x08',
    'heads of gzip that name everything': '\x1f\x8b\x08\xff\xff\xff\xff\xff\xff\x03',
    'zlib in a part': '\r\n\r\n\x78\x9c',
    'percent-encoding': '%41',
    'percent-encoding of itself': '%25',
    backslashes: '\\',
    'backslashes in pairs': '\\\\u0041',
    'escaped slashes': '\\/',
    'escapes of JSON': '\\u0041',
    entities: '&lowbar;',
    ampersands: '&',
    'letters and NUL': 'a\0',
    NUL: '\0',
    base64: 'QUJD',
    hexadecimal: '0123456789abcdef',
    'words of base64': 'abcdefghABCDEFGH0123456789+/+/abc ',
    'lines of base64': `${'QUJDabcd0123+/xy'.repeat(4)}\n`,
    brackets: '[',
    braces: '{"a":',
    quotes: '"',
    commas: ',',
    delimiters: '\r\n--b',
    equals: 'token=',
  }
  for (const [name, unit] of Object.entries(units)) {
    test(name, async () => {
      await judge({ type: 'application/json', body: repeated(unit) })
      await judgeWithin({
        type: 'multipart/form-data; boundary=b',
        body: Buffer.concat([Buffer.from('--b'), repeated(unit, MEGA / 2)]),
      })
    })
  }

  for (const [name, text] of Object.entries({
    'invisible characters': 'a\u200b',
    'full-width letters': '\uff21',
    'characters that fold into many': '\ufdfa',
    emoji: '\u{1f469}\u200d\u{1f467}',
  })) {
    test(name, async () => void (await judgeWithin({ body: Buffer.from(text.repeat(250_000)) })))
  }
})

describe('every pattern at its worst', () => {
  const matcher = new PatternMatcher(SECRET_PATTERNS)
  const length = 100_000

  function search(text: string): void {
    matcher.search(Buffer.from(text.slice(0, length), 'latin1'), () => false)
  }

  for (const { name, anchor, examples } of SECRET_PATTERNS) {
    test(name, () => {
      const { positive, negative } = examples
      const begin = anchor.kind === 'run' ? (anchor.begins ?? anchor.after ?? '') : (anchor.literals[0] ?? '')
      // Almost the whole, over and over; what begins it, with and without room behind it; what may follow, without an end.
      for (const unit of [
        positive.slice(0, -1),
        negative,
        begin,
        `${begin} `,
        `${begin}=`,
        `${begin}${positive.at(-1)}`,
        positive,
      ])
        if (unit !== '') search(unit.repeat(Math.ceil(length / unit.length)))
      for (const filler of ['a', 'A', '0', '-', '_', '.', '/', 'aB3', '0a', ':', ' '])
        search(positive.slice(0, -1) + filler.repeat(length))
      search(everyDistance(begin))
    })
  }

  /** The beginning at every distance from the next. */
  function everyDistance(begin: string): string {
    return Array.from({ length: 400 }, (_, index) => begin + 'a'.repeat(index)).join('')
  }
})

describe('compressed', () => {
  const zeros = Buffer.alloc(96 * MEGA)
  const compress = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync } as const

  for (const [coding, pack] of Object.entries(compress)) {
    const bomb = pack(zeros)
    test(`a bomb of ${coding}, announced`, async () => {
      const reason = await judgeWithin({ headers: ['Content-Encoding', coding], body: bomb })
      assert.equal(reason, `cannot be decoded: content-encoding ${coding}`)
    })

    test(`a bomb of ${coding}, in itself twice and thrice`, async () => {
      for (const layers of [2, 3]) {
        let body: Buffer = bomb
        for (let layer = 1; layer < layers; layer += 1) body = pack(body)
        const codings = Array.from({ length: layers }, () => coding).join(', ')
        assert.equal(
          await judgeWithin({ headers: ['Content-Encoding', codings], body }),
          `cannot be decoded: content-encoding ${codings}`,
        )
      }
    })

    test(`a bomb of ${coding} that nobody announced, alone, in base64 and many times`, async () => {
      const { length } = bomb
      const many = Buffer.concat(Array.from({ length: Math.min(40, Math.ceil(MEGA / length) + 4) }, () => bomb))
      for (const body of [bomb, Buffer.from(bomb.toString('base64')), many]) await judgeWithin({ body })
    })
  }

  test('all codings on top of each other, and more of them than are undone', async () => {
    const stack = zstdCompressSync(brotliCompressSync(gzipSync(zeros)))
    const codings = 'gzip, br, zstd'
    assert.equal(
      await judgeWithin({ headers: ['Content-Encoding', codings], body: stack }),
      `cannot be decoded: content-encoding ${codings}`,
    )
    const four = Array.from({ length: 4 }, () => 'gzip').join(', ')
    assert.equal(
      await judgeWithin({ headers: ['Content-Encoding', four], body: gzipSync('x') }),
      `cannot be decoded: content-encoding ${four}`,
    )
    const names = 'gzip,'.repeat(100_000)
    assert.match(await judgeWithin({ headers: ['Content-Encoding', names], body: gzipSync('x') }), /^cannot be decoded/)
  })

  test('gzip in gzip in gzip …, a hundred times', async () => {
    let body: Buffer = Buffer.from('at last')
    for (let layer = 0; layer < 100; layer += 1) body = gzipSync(body)
    assert.match(await judgeWithin({ body }), /^too much nesting to decode/)
  })
})

describe('large and deep', () => {
  test('ten megabytes of JSON in one line', async () => {
    const record = { id: 1, name: 'an item', text: 'The quick brown fox. ', list: [1, 2, 3], ok: true }
    const body = JSON.stringify(Array.from({ length: (10 * MEGA) / 80 }, () => record))
    assert.ok(body.length > 10 * MEGA, String(body.length))
    assert.equal(await judge({ type: 'application/json', body }), '')
  })

  test('ten megabytes of one string', async () => {
    assert.equal(
      await judge({ type: 'application/json', body: JSON.stringify({ text: 'word '.repeat(2 * MEGA) }) }),
      '',
    )
  })

  test('JSON a million deep', async () => {
    assert.equal(await judge({ type: 'application/json', body: '['.repeat(MEGA) + ']'.repeat(MEGA) }), '')
    await judge({ type: 'application/json', body: '{"a":'.repeat(MEGA) })
  })

  test('JSON in strings of JSON, and encodings in encodings', async () => {
    let json = '"at last"'
    for (let layer = 0; layer < 18; layer += 1) json = JSON.stringify(json)
    await judge({ type: 'application/json', body: json })
    let nested = Buffer.from('at last, after all of these layers '.repeat(10))
    for (let layer = 0; layer < 12; layer += 1)
      nested = Buffer.from(nested.toString(layer % 2 === 0 ? 'base64' : 'hex'))
    assert.equal(await judge({ body: nested }), 'too much nesting to decode')
  })

  test('a form of a hundred thousand parts, and parts in parts', async () => {
    const part = (index: number): string =>
      `--b\r\nContent-Disposition: form-data; name="f${index}"\r\n\r\nvalue ${index}\r\n`
    const parts = Array.from({ length: 100_000 }, (_, index) => part(index)).join('')
    const type = 'multipart/form-data; boundary=b'
    assert.equal(await judge({ type, body: `${parts}--b--\r\n` }), '')
    const head = (index: number): string => `--b\r\nContent-Type: multipart/mixed; boundary=b${index}\r\n\r\n`
    await judge({ type, body: Array.from({ length: 50_000 }, (_, index) => head(index)).join('') })
    await judge({ type, body: `--b\r\n${'X-Field: x\r\n'.repeat(300_000)}\r\nbody` })
  })

  test('a hundred thousand fields, segments, parameters and labels', async () => {
    const names = Array.from({ length: 100_000 }, (_, index) => `x-${index}`)
    assert.equal(await judge({ headers: names.flatMap((name) => [name, 'v']) }), '')
    await judge({ path: `/${names.join('/')}` })
    await judge({ path: `/?${names.join('=1&')}` })
    await judge({ headers: ['Cookie', names.join('=1; ')] })
  })

  test('ten megabytes of random bytes, as they are, in base64 and in hexadecimal', async () => {
    const random = randomLike(5 * MEGA, 'hostile')
    for (const body of [random, Buffer.from(random.toString('base64')), Buffer.from(random.toString('hex'))])
      await judge({ body })
  })
})
