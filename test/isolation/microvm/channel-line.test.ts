/*
 * The lines between host and guest. A hostile guest is held to exactly the table: anything else ends it, however it is
 * cut into pieces, and no more of it is kept than one line. What the host sends, a shell reads back as it was.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  fileLines,
  formatHostLine,
  GuestLines,
  LARGEST_CHUNK,
  LONGEST_GUEST_LINE,
  parseGuestLine,
  type GuestLine,
} from '../../../src/isolation/microvm/channel-line.ts'
import { fuzz, mutate } from '../../support/fuzz.ts'

const GOOD: readonly (readonly [string, GuestLine])[] = [
  ['hello 1', { kind: 'hello', version: 1 }],
  ['ready', { kind: 'ready' }],
  ['started 0', { kind: 'started', session: 0 }],
  ['signalled 2', { kind: 'signalled', session: 2 }],
  ['exit 3 255 10 0', { kind: 'exit', session: 3, code: 255, output: 10, errors: 0 }],
  ['exit 0 0 999999999999999 1', { kind: 'exit', session: 0, code: 0, output: 999_999_999_999_999, errors: 1 }],
  ['failed mount: no such device', { kind: 'failed', text: 'mount: no such device' }],
  ['failed', { kind: 'failed', text: '' }],
]

for (const [text, line] of GOOD)
  test(`a line: ${text}`, () => {
    assert.deepEqual(parseGuestLine(text), line)
  })

const BAD: readonly string[] = [
  '',
  ' ready',
  'ready ',
  'READY',
  'ready now',
  'hello',
  'hello 1 2',
  'hello one',
  'hello 01',
  'hello 1e3',
  'hello 99999999999999999999',
  'started',
  'started -1',
  'started 4',
  'signalled',
  'signalled 4',
  'signalled 0 TERM',
  'started 0x1',
  'exit 0',
  'exit 0 1',
  'exit 0 1 2',
  'exit 0 256 0 0',
  'exit 0 -1 0 0',
  'exit 0 1.5 0 0',
  'exit 0 0 0 9999999999999999',
  'exit 0 0 -1 0',
  'exit 0 0 0 0 0',
  'exit 4 0 0 0',
  'exit  0 1 0 0',
  'exit\t0 1 0 0',
  // Words of the host's.
  'setup',
  'file command0 AAAA',
  // Names that every object has.
  'constructor',
  '__proto__ 1',
  'toString',
  // Text that a terminal would act on.
  'failed \x1b]0;x\x07',
  'failed \u202e',
  'ready\r',
  `failed ${'x'.repeat(LONGEST_GUEST_LINE)}`,
]

for (const text of BAD)
  test(`no line: ${JSON.stringify(text.slice(0, 60))}`, () => {
    assert.equal(parseGuestLine(text), undefined)
    const lines = new GuestLines()
    assert.throws(() => lines.push(Buffer.from(`${text}\n`)), RangeError)
    assert.deepEqual(lines.push(Buffer.from('ready\n')), [], 'taken after a line that was none')
  })

test('a line without an end is refused as soon as it is too long', () => {
  const lines = new GuestLines()
  assert.deepEqual(lines.push(Buffer.alloc(LONGEST_GUEST_LINE, 'x')), [])
  assert.throws(() => lines.push(Buffer.from('x')), RangeError)
})

test('a flood in one piece is refused without being taken apart', () => {
  assert.throws(() => new GuestLines().push(Buffer.alloc(16 << 20, 'x')), RangeError)
})

test('fuzz: pieces do not matter, and what is taken is lines of the table', async (t) => {
  const original = Buffer.from(GOOD.map(([text]) => `${text}\n`).join(''))
  await fuzz(t, { runs: 2000 }, (random) => {
    const bytes = random.chance(0.2) ? original : mutate(random, original)
    const whole = take(new GuestLines(), [bytes])
    assert.deepEqual(take(new GuestLines(), random.chunks(bytes)), whole)
    const texts = bytes.toString('latin1').split('\n').slice(0, whole.lines.length)
    assert.deepEqual(whole.lines, texts.map(parseGuestLine))
  })
})

/** What was taken until the first refusal; no piece holds more than one line, because a refusal takes those before it along. */
function take(lines: GuestLines, pieces: readonly Buffer[]): { lines: readonly GuestLine[]; refused: boolean } {
  const taken: GuestLine[] = []
  for (const part of pieces.flatMap((piece) => piece.toString('latin1').split(/(?<=\n)/))) {
    try {
      taken.push(...lines.push(Buffer.from(part, 'latin1')))
    } catch (error) {
      assert.ok(error instanceof RangeError)
      return { lines: taken, refused: true }
    }
  }
  return { lines: taken, refused: false }
}

test('a file arrives as it was, in lines of bounded length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 3 * LARGEST_CHUNK }), (content) => {
      const lines = fileLines('command0', Buffer.from(content)).map(formatHostLine)
      const parts = lines.map((line) => {
        assert.ok(line.length <= 4200)
        return Buffer.from(/^file command0 ([A-Za-z0-9+/=]+)\n$/.exec(line)?.[1] ?? '', 'base64')
      })
      assert.deepEqual(Buffer.concat(parts), Buffer.from(content))
    }),
    { numRuns: 30 },
  )
})

test('what the host says', () => {
  assert.equal(formatHostLine({ kind: 'clock', seconds: 1_790_000_000 }), 'clock 1790000000\n')
  assert.equal(formatHostLine({ kind: 'start', session: 0, streams: 'tty' }), 'start 0 tty\n')
  assert.equal(formatHostLine({ kind: 'signal', session: 3, signal: 'SIGTERM' }), 'signal 3 TERM\n')
  assert.equal(formatHostLine({ kind: 'resize', session: 0, rows: 24, columns: 1e6 }), 'resize 0 24 65535\n')
  assert.equal(formatHostLine({ kind: 'setup' }), 'setup\n')
})

test('what a guest could not read back is not said', () => {
  const content = Buffer.from('x')
  for (const name of ['', '../command0', 'a b', 'A', 'a\n', 'x'.repeat(40)])
    assert.throws(() => formatHostLine({ kind: 'file', name, content }), RangeError)
  assert.throws(() => formatHostLine({ kind: 'clock', seconds: 1.5 }), RangeError)
  assert.throws(() => formatHostLine({ kind: 'start', session: 4, streams: 'tty' }), RangeError)
  assert.throws(() => formatHostLine({ kind: 'resize', session: 0, rows: -1, columns: 80 }), RangeError)
  assert.throws(() => formatHostLine({ kind: 'signal', session: 0, signal: 'TERM; reboot' as 'SIGTERM' }), RangeError)
})
