import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageFramer, frame, type Frame } from '../../../src/egress/dns/framing.ts'
import { MAX_MESSAGE } from '../../../src/egress/dns/message.ts'
import { fuzz } from '../../support/fuzz.ts'

/** A TCP stream is the messages in it, however it is cut; a length beyond the bound ends it. */

function read(chunks: readonly Buffer[]): Frame[] {
  const framer = new MessageFramer()
  return chunks.flatMap((chunk) => [...framer.push(chunk)])
}

test('messages come out however the stream is cut', async (t) => {
  await fuzz(t, { runs: 500 }, (random) => {
    const messages = Array.from({ length: random.integer(0, 6) }, () => random.bytes(random.integer(0, 300)))
    const stream = Buffer.concat(messages.map(frame))
    assert.deepEqual(
      read(random.chunks(stream)),
      messages.map((bytes) => ({ kind: 'message', bytes })),
    )
  })
})

test('an unfinished message is not given out', () => {
  assert.deepEqual(read([Buffer.from([0])]), [])
  assert.deepEqual(read([Buffer.from([0, 2, 1])]), [])
})

test('the longest message is read, a longer one ends the stream before it has arrived', () => {
  const longest = Buffer.alloc(MAX_MESSAGE, 7)
  assert.deepEqual(read([frame(longest)]), [{ kind: 'message', bytes: longest }])
  assert.deepEqual(read([Buffer.from([0x10, 0x01])]), [{ kind: 'overlong', length: MAX_MESSAGE + 1 }])
})

test('frames are read one at a time: who stops reading is not given 32 000 empty ones', () => {
  const frames = new MessageFramer().push(Buffer.alloc(65_536))
  assert.deepEqual(frames.next().value, { kind: 'message', bytes: Buffer.alloc(0) })
  assert.deepEqual(frames.return(undefined), { done: true, value: undefined })
})
