/**
 * Bytes as programs show them - dumps, lists of numbers - and text cut in even pieces: what they stand for is seen, alone
 * and in other content. Tables, identifiers and binary files in dumps give nothing and are no nesting.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { ContentViews } from '../../../../src/egress/inspect/decode/content-views.ts'
import { randomLike } from '../entropy-traffic.ts'
import { DUMPS, LISTS, PIECES } from './shown-bytes.ts'

const SECRET = `gh${'p_'}a7Rk2Xq9Zt4Lm8Wc3Vb6Nf5Hj1PdGsYeQuTi`

function viewsOf(body: Buffer): ContentViews {
  return new ContentViews({ contentType: '', contentEncoding: '', body })
}

function sees(body: Buffer): boolean {
  return [...viewsOf(body)].some(({ bytes }) => bytes.includes(SECRET))
}

for (const [what, encoders] of Object.entries({ DUMPS, LISTS, PIECES })) {
  describe(what.toLowerCase(), () => {
    for (const [name, encode] of Object.entries(encoders)) {
      test(name, () => {
        assert.ok(sees(encode(Buffer.from(SECRET))), 'alone')
        assert.ok(
          sees(encode(Buffer.from(`token = ${SECRET}\nand the rest of a file, with more to say\n`))),
          'in a file',
        )
        const shown = encode(Buffer.from(SECRET)).toString('latin1')
        assert.ok(sees(Buffer.from(`See what it prints:\n\n${shown}\nThat is all.\n`)), 'in prose')
        if (name === 'uuencode') return
        const output = JSON.stringify({ role: 'tool', content: `$ show\n${shown}\n` })
        assert.ok(sees(Buffer.from(output)), 'in a string of JSON')
        assert.ok(sees(Buffer.from(Buffer.from(output).toString('base64'))), 'in base64')
      })
    }
  })
}

test('what was compressed, in a dump and in a list', () => {
  const stream = gzipSync(Buffer.from(`token = ${SECRET}\n`))
  for (const show of [DUMPS['xxd'], DUMPS['hexdump -C'], DUMPS['hexdump'], LISTS['decimal, JSON'], LISTS['0x']])
    assert.ok(sees((show as (bytes: Buffer) => Buffer)(stream)))
  const lines = stream.toString('base64').replace(/.{20}/g, '$&\n')
  assert.ok(sees(Buffer.from(lines.replace(/^/gm, '  '))), 'in base64 in indented lines')
})

test('what is none gives no view, or little, and is not taken for nesting', () => {
  const random = randomLike(30_000)
  const hash = (at: number): string => createHash('sha1').update(String(at)).digest('hex')
  const rows = Array.from({ length: 1000 }, (_, at) => at)
  const ordinary: Readonly<Record<string, Buffer>> = {
    integers: Buffer.from(JSON.stringify(rows.map((at) => (at * 7919) % 50_000))),
    'bytes of a picture': Buffer.from(JSON.stringify([...random])),
    floats: Buffer.from(JSON.stringify(rows.map((at) => Math.sin(at)))),
    hashes: Buffer.from(rows.map((at) => `${hash(at)}  src/file-${at}.ts`).join('\n')),
    'hashes in JSON': Buffer.from(JSON.stringify(rows.map(hash))),
    table: Buffer.from(rows.map((at) => `2026-11-${10 + (at % 20)},${1000 + at},open`).join('\n')),
    'a dump of a binary file': (DUMPS['xxd'] as (bytes: Buffer) => Buffer)(random),
    'another dump of it': (DUMPS['hexdump -C'] as (bytes: Buffer) => Buffer)(random),
  }
  for (const [name, body] of Object.entries(ordinary)) {
    const views = viewsOf(body)
    const size = [...views].reduce((sum, { bytes }) => sum + bytes.length, 0)
    assert.ok(size < body.length * 4, `${name}: ${size} of ${body.length}`)
    assert.deepEqual([views.isTooDeep, views.isTooLarge, views.isTooMany], [false, false, false], name)
  }
})
