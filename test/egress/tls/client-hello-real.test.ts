/**
 * Hellos of real clients are read right, whatever pieces they arrive in and whatever records they are cut into, and
 * the answer never changes as more arrives: first `incomplete`, then the hello, the same from then on.
 */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import * as fc from 'fast-check'
import { readClientHello, type ClientHello } from '../../../src/egress/tls/client-hello.ts'
import { fuzz, mutate } from '../../support/fuzz.ts'
import { payloads, refragment } from './hello-builder.ts'
import { captureHellos, type RealHello } from './real-hellos.ts'

let hellos: RealHello[] = []
before(async () => {
  hellos = await captureHellos()
})

test('the name and the protocols of every client are read', (t) => {
  for (const hello of hellos) {
    t.diagnostic(`${hello.client}: ${hello.bytes.length} bytes`)
    assert.deepEqual(readClientHello(hello.bytes), expected(hello), hello.client)
  }
})

test('every beginning of a hello is incomplete, and what comes after it changes nothing', () => {
  for (const hello of hellos) {
    for (let length = 0; length < hello.bytes.length; length++) {
      assert.deepEqual(readClientHello(hello.bytes.subarray(0, length)), { kind: 'incomplete' }, `${length} bytes`)
    }
    assert.deepEqual(readClientHello(Buffer.concat([hello.bytes, Buffer.alloc(99)])), expected(hello))
  }
})

test('cut into records anywhere it is the same hello, and incomplete up to its last byte', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.array(fc.integer({ min: 1, max: 2000 }), { maxLength: 60 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (pick, sizes, part) => {
        const hello = hellos[pick % hellos.length]
        assert.ok(hello)
        const records = refragment(hello.bytes, sizes)
        assert.deepEqual(payloads(records), payloads(hello.bytes))
        assert.deepEqual(readClientHello(records), expected(hello))
        const cut = Math.floor(part * (records.length - 1))
        assert.deepEqual(readClientHello(records.subarray(0, cut)), { kind: 'incomplete' })
      },
    ),
  )
})

test('whatever arrives, nothing is thrown and no verdict is taken back', async (t) => {
  const corpus = hellos.map((hello) => hello.bytes)
  await fuzz(t, { runs: 1500 }, (random) => {
    const bytes = mutate(random, random.pick(corpus), { corpus })
    let verdict: ClientHello = { kind: 'incomplete' }
    let arrived = 0
    for (const chunk of random.chunks(bytes)) {
      arrived += chunk.length
      const next = readClientHello(bytes.subarray(0, arrived))
      if (verdict.kind !== 'incomplete') assert.deepEqual(next, verdict)
      verdict = next
    }
  })
})

function expected({ serverName, alpn }: RealHello): ClientHello {
  return { kind: 'hello', serverName, alpn }
}
