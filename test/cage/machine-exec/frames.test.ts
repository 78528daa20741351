/*
 * Frames between who executes in a machine and its supervisor: they arrive as they were, however they are cut, and what is
 * none is refused once and for all.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  dataFrames,
  frame,
  FrameReader,
  LARGEST_DATA,
  LARGEST_FRAME,
  type Frame,
} from '../../../src/cage/machine-exec/frames.ts'
import { fuzz, mutate } from '../../support/fuzz.ts'

test('data of any length arrives as it was', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3 * LARGEST_DATA }), (data) => {
      const frames = new FrameReader().push(dataFrames('output', Buffer.from(data)))
      assert.ok(frames.every(({ kind, content }) => kind === 'output' && content.length <= LARGEST_DATA))
      assert.deepEqual(Buffer.concat(frames.map(({ content }) => content)), Buffer.from(data))
    }),
    { numRuns: 30 },
  )
})

const BAD: readonly (readonly [what: string, bytes: Buffer])[] = [
  ['no letter of one', Buffer.from('x')],
  ['a letter that JavaScript objects have', Buffer.from('constructor')],
  ['data that is too long', Buffer.from([0x4f, 0, 1, 0, 1])],
  ['a request that is too long', Buffer.from([0x52, 0xff, 0xff, 0xff, 0xff])],
]

for (const [what, bytes] of BAD)
  test(`no frame: ${what}`, () => {
    const reader = new FrameReader()
    assert.throws(() => reader.push(bytes), RangeError)
    assert.deepEqual(reader.push(frame('begun')), [], 'taken after what was none')
  })

test('what cannot be read back is not said', () => {
  assert.throws(() => frame('request', Buffer.alloc(LARGEST_FRAME + 1)), RangeError)
})

test('fuzz: pieces do not matter', async (t) => {
  const original = Buffer.concat([frame('request', '{}'), frame('input', 'some'), frame('input'), frame('signal', 'X')])
  await fuzz(t, { runs: 2000 }, (random) => {
    const bytes = random.chance(0.2) ? original : mutate(random, original)
    assert.deepEqual(take(random.chunks(bytes)), take([bytes]))
  })
})

/** What was taken, when all was; a refusal takes along what came before it in its piece. */
function take(pieces: readonly Buffer[]): readonly Frame[] | 'refused' {
  const reader = new FrameReader()
  try {
    return pieces.flatMap((piece) => reader.push(piece))
  } catch (error) {
    assert.ok(error instanceof RangeError)
    return 'refused'
  }
}
