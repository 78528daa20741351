/**
 * A gRPC stream is cut into its messages wherever its bytes are cut. A flag that is none or a length over the bound is
 * refused as soon as the prefix tells it, before the message is held in memory.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Denial } from '../../../src/egress/denial.ts'
import { encodeGrpcMessage, GrpcFramer, type GrpcMessage } from '../../../src/egress/http/grpc-framer.ts'
import { fuzz, mutate } from '../../support/fuzz.ts'

const message = (payload: string, compressed = false): GrpcMessage => ({ compressed, payload: Buffer.from(payload) })
const stream = Buffer.concat([message('one'), message(''), message('three', true)].map(encodeGrpcMessage))

test('messages come out as they went in, however they are cut', () => {
  const messages = fc.array(fc.record({ compressed: fc.boolean(), payload: fc.uint8Array({ maxLength: 50 }) }), {
    maxLength: 10,
  })
  fc.assert(
    fc.property(messages, fc.array(fc.nat(20), { minLength: 1 }), (list, sizes) => {
      const sent = list.map(({ compressed, payload }) => ({ compressed, payload: Buffer.from(payload) }))
      const bytes = Buffer.concat(sent.map(encodeGrpcMessage))
      const framer = new GrpcFramer(50)
      const received: GrpcMessage[] = []
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = Math.max(1, sizes[turn % sizes.length] as number)
        received.push(...framer.push(bytes.subarray(at, at + size)))
        at += size
      }
      assert.deepEqual(received, sent)
      assert.equal(framer.pendingBytes, 0)
    }),
  )
})

test('what has not arrived whole is counted', () => {
  const framer = new GrpcFramer(0)
  assert.deepEqual(framer.push(stream.subarray(0, 3)), [])
  assert.equal(framer.pendingBytes, 3)
  assert.equal(framer.push(stream.subarray(3, 10)).length, 1)
  assert.equal(framer.pendingBytes, 2)
})

test('a message over the bound is refused by its prefix; one of the bound passes', () => {
  assert.equal(new GrpcFramer(5).push(encodeGrpcMessage(message('12345'))).length, 1)
  assert.throws(() => new GrpcFramer(5).push(encodeGrpcMessage(message('123456')).subarray(0, 5)), {
    code: 'body_too_large',
  })
  assert.throws(() => new GrpcFramer(1_000_000).push(Buffer.from([0, 0xff, 0xff, 0xff, 0xff])), {
    code: 'body_too_large',
  })
})

test('a flag that is none is refused', () => {
  for (const flag of [2, 3, 0x80, 0xff]) {
    assert.throws(() => new GrpcFramer(0).push(Buffer.from([flag, 0, 0, 0, 0])), { code: 'bad_request' })
  }
})

test('mutated streams are cut or refused, and nothing is lost or made up', (t) =>
  fuzz(t, { runs: 2000 }, (random) => {
    const bytes = mutate(random, stream)
    const framer = new GrpcFramer(100_000)
    const received: GrpcMessage[] = []
    try {
      for (const chunk of random.chunks(bytes)) received.push(...framer.push(chunk))
    } catch (error) {
      assert.ok(error instanceof Denial)
      return
    }
    const length = Buffer.concat(received.map(encodeGrpcMessage)).length
    assert.deepEqual(Buffer.concat(received.map(encodeGrpcMessage)), bytes.subarray(0, length))
    assert.equal(framer.pendingBytes, bytes.length - length)
  }))
