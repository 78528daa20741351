/**
 * Server-sent events are cut behind the blank line that makes a reader act on them, whatever the line ends are and
 * however the stream arrives; the pieces together are the stream.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { EventSplitter } from '../../../src/egress/http/event-splitter.ts'

function split(chunks: readonly string[]): string[] {
  const splitter = new EventSplitter()
  const events = chunks.flatMap((chunk) => splitter.push(Buffer.from(chunk)).map(String))
  return [...events, splitter.end().toString()]
}

const STREAMS: Readonly<Record<string, readonly [string, readonly string[]]>> = {
  'one event': ['data: a\n\n', ['data: a\n\n', '']],
  'two events': ['data: a\n\ndata: b\n\n', ['data: a\n\n', 'data: b\n\n', '']],
  'an event of several lines': ['event: x\ndata: a\ndata: b\n\n', ['event: x\ndata: a\ndata: b\n\n', '']],
  'carriage returns and line feeds': ['data: a\r\n\r\ndata: b\r\n\r\n', ['data: a\r\n\r', '\ndata: b\r\n\r', '\n']],
  'carriage returns alone': ['data: a\r\rdata: b\r\r', ['data: a\r\r', 'data: b\r\r', '']],
  'line ends of every kind': ['data: a\n\rdata: b\r\n\n', ['data: a\n\r', 'data: b\r\n\n', '']],
  'a comment that keeps the connection': [': ping\n\ndata: a\n\n', [': ping\n\n', 'data: a\n\n', '']],
  'blank lines before and between': ['\n\ndata: a\n\n\n\ndata: b\n\n', ['\n\ndata: a\n\n', '\n\ndata: b\n\n', '']],
  'an event that does not end': ['data: a\n\ndata: b\n', ['data: a\n\n', 'data: b\n']],
  nothing: ['', ['']],
}
for (const [what, [stream, pieces]] of Object.entries(STREAMS)) {
  test(what, () => assert.deepEqual(split([stream]), pieces))
}

test('how the stream is cut into chunks makes no difference, and nothing is lost', () => {
  const text = fc.array(fc.constantFrom('\n', '\r', '\r\n', 'data: x', ': c', ''), { maxLength: 30 })
  fc.assert(
    fc.property(text, fc.array(fc.nat(7), { minLength: 1 }), (pieces, cuts) => {
      const stream = pieces.join('')
      const chunks: string[] = []
      for (let at = 0, turn = 0; at < stream.length; turn += 1) {
        const length = 1 + (cuts[turn % cuts.length] as number)
        chunks.push(stream.slice(at, at + length))
        at += length
      }
      assert.deepEqual(split(chunks), split([stream]))
      assert.equal(split(chunks).join(''), stream)
    }),
  )
})
