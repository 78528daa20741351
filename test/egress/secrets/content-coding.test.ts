/**
 * Undoing a Content-Encoding.
 *
 * Each coding that is let through can be decoded as a stream, stacked ones too: what has arrived is given out before
 * more arrives, a slow reader slows the source down, and a malformed or truncated body is an error, never a silent
 * end. What cannot be decoded is not asked for.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import * as zlib from 'node:zlib'
import { acceptableCodings, decodersFor } from '../../../src/egress/secrets/content-coding.ts'
import { fuzz, mutate } from '../../support/fuzz.ts'

const ENCODERS: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: (bytes) => zlib.gzipSync(bytes),
  'x-gzip': (bytes) => zlib.gzipSync(bytes),
  deflate: (bytes) => zlib.deflateSync(bytes),
  'deflate (raw)': (bytes) => zlib.deflateRawSync(bytes),
  br: (bytes) => zlib.brotliCompressSync(bytes),
  zstd: (bytes) => zlib.zstdCompressSync(bytes),
}

const TEXT = Buffer.from(Array.from({ length: 2000 }, (_, i) => `line ${i * 7919}: the quick brown fox\n`).join(''))

function codingOf(encoder: string): string {
  return encoder.split(' ', 1)[0] ?? ''
}

async function decode(contentEncoding: string, chunks: readonly Buffer[]): Promise<Buffer> {
  const decoders = decodersFor(contentEncoding)
  assert.ok(decoders !== undefined)
  const received: Buffer[] = []
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      received.push(chunk)
      done()
    },
  })
  await pipeline([Readable.from(chunks), ...decoders, sink])
  return Buffer.concat(received)
}

for (const [encoder, encode] of Object.entries(ENCODERS)) {
  const coding = codingOf(encoder)
  const small = Buffer.from('hello hello hello')

  test(`${encoder}: decodes, whole and byte by byte`, async () => {
    assert.deepEqual(await decode(coding, [encode(TEXT)]), TEXT)
    assert.deepEqual(
      await decode(
        coding.toUpperCase(),
        [...encode(TEXT)].map((byte) => Buffer.from([byte])),
      ),
      TEXT,
    )
    assert.deepEqual(await decode(coding, [encode(Buffer.alloc(0))]), Buffer.alloc(0))
  })

  test(`${encoder}: an empty body is empty`, async () => {
    assert.equal((await decode(coding, [])).length, 0)
    assert.equal((await decode(coding, [Buffer.alloc(0)])).length, 0)
  })

  test(`${encoder}: a truncated body is an error, wherever it is cut`, async () => {
    const encoded = encode(small)
    for (let length = 1; length < encoded.length; length += 1) {
      await assert.rejects(decode(coding, [encoded.subarray(0, length)]), Error, `${length} of ${encoded.length} bytes`)
    }
  })

  test(`${encoder}: what was never encoded is an error`, async () => {
    await assert.rejects(decode(coding, [Buffer.from('\xff\xff this is plain text', 'latin1')]))
  })

  test(`fuzz: ${encoder}: damaged bodies end or fail, in any chunks, the same way`, async (t) => {
    const corpus = [encode(small), encode(TEXT.subarray(0, 500)), Buffer.concat([encode(small), encode(small)])]
    await fuzz(t, { runs: 60 }, async (random) => {
      const body = mutate(random, random.pick(corpus), { corpus })
      const outcome = (chunks: readonly Buffer[]): Promise<string> =>
        decode(coding, chunks).then(
          (bytes) => bytes.toString('hex'),
          () => 'failed',
        )
      assert.equal(await outcome(random.chunks(body)), await outcome([body]))
    })
  })
}

test('gzip and zstd: several compressed streams on end are one body, wherever the chunks end', async () => {
  for (const coding of ['gzip', 'zstd']) {
    const encode = ENCODERS[coding] ?? assert.fail()
    const parts = ['one ', 'two ', 'three'].map((text) => encode(Buffer.from(text)))
    const body = Buffer.concat(parts)
    assert.equal((await decode(coding, [body])).toString(), 'one two three')
    for (let cut = 0; cut <= body.length; cut += 1) {
      assert.equal((await decode(coding, [body.subarray(0, cut), body.subarray(cut)])).toString(), 'one two three')
    }
  }
})

test('what follows the end of a deflate or brotli stream is dropped, not passed on', async () => {
  for (const encoder of ['deflate', 'deflate (raw)', 'br']) {
    const encode = ENCODERS[encoder] ?? assert.fail()
    const junk = Array.from({ length: 50 }, () => Buffer.alloc(65_536, 'junk'))
    assert.equal((await decode(codingOf(encoder), [encode(Buffer.from('text')), ...junk])).toString(), 'text')
  }
})

test('stacked codings are undone from the last to the first', async () => {
  const stacked = zlib.brotliCompressSync(zlib.gzipSync(zlib.deflateSync(TEXT)))
  assert.deepEqual(await decode('deflate, gzip , identity,,BR', [stacked]), TEXT)
})

test('attack: more codings than anybody needs, or one that is unknown, is not decoded at all', () => {
  for (const codings of [
    'compress',
    'gzip, compress',
    'none',
    'gzip;q=1',
    'gzip gzip',
    'aws-chunked',
    'dcb',
    'gzip,gzip,gzip,gzip',
    'br\0',
  ]) {
    assert.equal(decodersFor(codings), undefined, codings)
  }
})

test('identity needs no decoder', () => {
  for (const codings of ['', 'identity', 'Identity, identity', ' , ']) assert.deepEqual(decodersFor(codings), [])
})

const FLUSHING: Readonly<Record<string, () => zlib.Gzip | zlib.BrotliCompress | zlib.ZstdCompress>> = {
  gzip: () => zlib.createGzip({ flush: zlib.constants.Z_SYNC_FLUSH }),
  deflate: () => zlib.createDeflate({ flush: zlib.constants.Z_SYNC_FLUSH }),
  br: () => zlib.createBrotliCompress({ flush: zlib.constants.BROTLI_OPERATION_FLUSH }),
  zstd: () => zlib.createZstdCompress({ flush: zlib.constants.ZSTD_e_flush }),
}

for (const [coding, create] of Object.entries(FLUSHING)) {
  test(`pace: ${coding}: an event is given out before the next one is sent`, async () => {
    const encoder = create()
    const [decoder] = decodersFor(coding) ?? []
    assert.ok(decoder !== undefined)
    encoder.pipe(decoder)
    for (let i = 0; i < 5; i += 1) {
      const event = `data: event number ${i}\n\n`
      encoder.write(event)
      let received = ''
      while (received.length < event.length) {
        const [chunk] = (await once(decoder, 'data')) as [Buffer]
        received += chunk.toString()
      }
      assert.equal(received, event)
    }
    encoder.end()
    await once(decoder, 'end')
  })
}

test('attack: a decompression bomb waits for its reader', async () => {
  for (const [coding, encode] of Object.entries(ENCODERS).filter(([name]) => !name.includes('('))) {
    const bomb = encode(Buffer.alloc(64 * 1024 * 1024))
    const source = new PassThrough()
    const [decoder] = decodersFor(coding) ?? []
    assert.ok(decoder !== undefined)
    source.pipe(decoder)
    source.end(bomb)
    await once(decoder, 'readable')
    // Nothing is read: after many turns of the event loop and of the thread pool no more than a few chunks wait.
    for (let turn = 0; turn < 50; turn += 1) {
      await new Promise<void>((resolve) => zlib.deflate('x', () => setImmediate(resolve)))
    }
    assert.ok(decoder.readableLength <= 4 * 65_536, `${coding}: ${decoder.readableLength} bytes wait`)
    decoder.destroy()
    source.destroy()
  }
})

test('attack: a zstd window above the 8 MiB of RFC 9659', async () => {
  const params = { [zlib.constants.ZSTD_c_windowLog]: 27 }
  const encoder = zlib.createZstdCompress({ params })
  const chunks: Buffer[] = []
  encoder.on('data', (chunk: Buffer) => chunks.push(chunk))
  for (let i = 0; i < 20; i += 1) encoder.write(Buffer.alloc(1024 * 1024, i))
  encoder.end()
  await once(encoder, 'end')
  await assert.rejects(decode('zstd', chunks))
})

test('acceptable codings: what cannot be decoded is not asked for', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['gzip, deflate, br, zstd', 'gzip, deflate, br, zstd'],
    ['gzip, compress, br;q=0.9, dcb, dcz', 'gzip, br;q=0.9'],
    ['GZIP;Q=0.5, identity ; q=0', 'gzip;q=0.5, identity ; q=0'],
    ['*', 'identity'],
    ['*;q=0.5, gzip', 'gzip'],
    ['identity, *;q=0', 'identity, *;q=0'],
    ['', 'identity'],
    ['compress', 'identity'],
    ['gzip;q=2, br;q=x, zstd;level=1', 'identity'],
    ['x-gzip', 'x-gzip'],
    ['gzip\r\nX: 1', 'identity'],
  ]
  for (const [header, expected] of cases) assert.equal(acceptableCodings(header), expected, header)
})
