/**
 * What cannot be undone within `decoding` does not pass in silence: content with more layers is blocked, content that gives
 * more bytes is flagged, or blocked where that is asked for; whoever is asked first says it, and it is said once.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deflateSync, gzipSync } from 'node:zlib'
import { configSchema } from '../../../../src/config/schema.ts'
import { DECODE_LIMITS, decodingOf } from '../../../../src/egress/inspect/decode/limits.ts'
import { get } from '../../../support/proxy-client.ts'
import { startBed, type Bed, type BedOptions } from '../../bed.ts'

const VALUE = 'correct-horse-battery-staple'

function bedOptions(decoding: object, rest: BedOptions['config'] = {}): BedOptions {
  const quiet = { entropy: false, content_type: false, split: false } as const
  const rule = { env: 'KEY', placeholder: 'a-placeholder-of-key', inject_to: ['api.test'] }
  const config = { ...quiet, decoding, secret_injection: [rule], ...rest }
  return { hosts: { 'other.test': {} }, config, secrets: { KEY: VALUE } }
}

function layers(count: number, text = VALUE): Buffer {
  let body = Buffer.from(text)
  for (let layer = 0; layer < count; layer += 1) body = Buffer.from(body.toString(layer % 2 === 0 ? 'base64' : 'hex'))
  return body
}

/** Opens to more than the budget, with the value at its end. */
const LARGE = gzipSync(Buffer.concat([Buffer.alloc(6_000_000, 'lorem ipsum '), Buffer.from(VALUE)]))

async function post({ proxy, ca }: Bed, body: Buffer) {
  return get('https://other.test/', { proxy, ca, method: 'POST', body })
}

test('a configuration that says nothing has the limits that are used without one', () => {
  const { limits, ...actions } = decodingOf(configSchema.parse({}))
  assert.deepEqual(actions, { tooDeep: 'block', tooMany: 'block', tooLarge: 'flag' })
  assert.deepEqual([limits.maxDepth, limits.maxViews], [DECODE_LIMITS.maxDepth, DECODE_LIMITS.maxViews])
  for (const size of [0, 1, 1_000_000, 100_000_000]) assert.equal(limits.maxBytes(size), DECODE_LIMITS.maxBytes(size))
})

describe('layers', () => {
  const blocked = { status: 403, code: 'inspector_blocked', host: 'other.test', reason: 'too much nesting to decode' }

  test('attack: a value under six layers, and with nobody looking for other credentials', async (t) => {
    const bed = await startBed(t, bedOptions({}))
    // The search for values takes one layer off by itself.
    const found = await post(bed, layers(5))
    bed.denied(found, { status: 403, code: 'secret_literal', host: 'other.test' })
    bed.denied(await post(bed, layers(6)), blocked)
    await bed.reload({ secrets: { enabled: false } })
    bed.denied(await post(bed, layers(6)), blocked)
    await bed.reload({ secret_injection: [] })
    bed.denied(await post(bed, layers(6)), blocked)
    bed.nothingLeft()
  })

  test('a limit of one or of seven is the limit', async (t) => {
    const bed = await startBed(t, bedOptions({ max_depth: 1 }))
    const found = { status: 403, code: 'secret_literal', host: 'other.test' }
    bed.denied(await post(bed, layers(3)), blocked)
    await bed.reload({ decoding: { max_depth: 7 } })
    bed.denied(await post(bed, layers(8)), found)
    bed.denied(await post(bed, layers(9)), blocked)
  })

  test('escapes of escapes are one layer: a text about them is ordinary, and a value in ten of them is found', async (t) => {
    const bed = await startBed(t, bedOptions({}))
    const escaped = (text: string): Buffer => {
      for (let layer = 0; layer < 10; layer += 1) text = JSON.stringify({ t: text.replace('-', '\\u002d') })
      return Buffer.from(text)
    }
    assert.equal((await post(bed, escaped('not-the-value, but 100 % of a text')))?.status, 200)
    assert.equal(bed.records[0]?.decision, 'allowed')
    bed.denied(await post(bed, escaped(VALUE)), { status: 403, code: 'secret_literal', host: 'other.test' })
    bed.denied(await post(bed, Buffer.from(`%${'25'.repeat(40)}41 and the rest of it`)), blocked)
  })

  test('flagged where that is asked for, once', async (t) => {
    const bed = await startBed(t, bedOptions({ too_deep: 'flag' }))
    assert.equal((await post(bed, layers(6))).status, 200)
    const [record] = bed.records
    assert.deepEqual([record?.decision, record?.reason], ['flagged', 'too much nesting to decode'])
    assert.equal(record?.inspectors?.length, 1)
  })
})

describe('bytes and contents', () => {
  test('more than the budget is flagged, blocked where that is asked for, and opened where the budget is enough', async (t) => {
    const bed = await startBed(t, bedOptions({}))
    assert.equal((await post(bed, LARGE)).status, 200)
    assert.deepEqual([bed.records[0]?.decision, bed.records[0]?.reason], ['flagged', 'too much to decode'])
    await bed.reload({ decoding: { too_large: 'block' } })
    const blocked = { status: 403, code: 'inspector_blocked', host: 'other.test', reason: 'too much to decode' }
    bed.denied(await post(bed, LARGE), blocked)
    await bed.reload({ decoding: { max_growth: 1000 } })
    bed.denied(await post(bed, LARGE), { status: 403, code: 'secret_literal', host: 'other.test' })
  })

  test('the cap holds whatever the growth, and so does the number of contents', async (t) => {
    const bed = await startBed(t, bedOptions({ max_growth: 1000, max_bytes: 1_048_576, too_large: 'block' }))
    bed.denied(await post(bed, LARGE), { status: 403, code: 'inspector_blocked', host: 'other.test' })
    const many = Array.from({ length: 30 }, (_, n) => gzipSync(`number ${n} of a great many`).toString('base64'))
    await bed.reload({ decoding: { max_views: 16 } })
    const denied = await post(bed, Buffer.from(JSON.stringify(many)))
    bed.denied(denied, {
      status: 403,
      code: 'inspector_blocked',
      host: 'other.test',
      reason: 'too many contents to decode',
    })
    await bed.reload({ decoding: { max_views: 16, too_many: 'flag' } })
    assert.equal((await post(bed, Buffer.from(JSON.stringify(many)))).status, 200)
    await bed.reload({ decoding: { too_large: 'block' } })
    assert.equal((await post(bed, Buffer.from(JSON.stringify(many)))).status, 200)
  })

  test('attack: a value behind a thousand compressed decoys is found, and behind too many it is blocked', async (t) => {
    const bed = await startBed(t, bedOptions({}))
    const decoys = Array.from({ length: 1000 }, (_, n) => gzipSync(`number ${n} of a great many`))
    for (const stream of [gzipSync(VALUE), gzipSync(deflateSync(VALUE))]) {
      bed.denied(await post(bed, Buffer.concat([...decoys, stream])), {
        status: 403,
        code: 'secret_literal',
        host: 'other.test',
      })
    }
    assert.equal((await post(bed, Buffer.concat(decoys))).status, 200)
    assert.equal(bed.records.at(-1)?.decision, 'allowed')
    const small = gzipSync('')
    const denied = await post(bed, Buffer.concat([...Array.from({ length: 5000 }, () => small), gzipSync(VALUE)]))
    bed.denied(denied, {
      status: 403,
      code: 'inspector_blocked',
      host: 'other.test',
      reason: 'too many contents to decode',
    })
  })

  test('attack: a compressed value in base64 or hexadecimal whose lines cut the mark that it begins with', async (t) => {
    const bed = await startBed(t, bedOptions({}))
    for (const encoding of ['base64', 'hex'] as const) {
      for (const width of [1, 2, 3, 5]) {
        const lines = gzipSync(VALUE)
          .toString(encoding)
          .replace(new RegExp(`.{${width}}`, 'g'), '$&\n')
        for (const body of encoding === 'hex' ? [lines] : [lines, JSON.stringify({ lines })])
          bed.denied(await post(bed, Buffer.from(body)), { status: 403, code: 'secret_literal', host: 'other.test' })
      }
    }
  })
})
