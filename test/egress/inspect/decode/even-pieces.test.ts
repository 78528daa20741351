/** What is cut into pieces of one length is put together; fields of a head are no pieces, however long they are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headViews } from '../../../../src/egress/inspect/decode/known-heads.ts'
import { joinedPieces } from '../../../../src/egress/inspect/decode/even-pieces.ts'
import { finished } from '../../../../src/egress/inspect/steps.ts'

function joined(bytes: Buffer): string | undefined {
  return finished(joinedPieces(bytes))?.toString('latin1').trim()
}

test('pieces with the same between any two are put together, the last shorter or not', () => {
  for (const [text, whole] of [
    ['A K I A I O S F O D N N 7 E X A M P L E', 'AKIAIOSFODNN7EXAMPLE'],
    ['["sesame","-open-","123456","7890"]', 'sesame-open-1234567890'],
    ['sesame-\n  open-12\n  3456789\n  0', 'sesame-open-1234567890'],
  ] as const)
    assert.equal(joined(Buffer.from(text)), whole)
})

test('fields whose values happen to be of one length give nothing more to look at', () => {
  const headers = ['Content-Type', 'application/json', 'User-Agent', 'bench/1.0', 'Accept', '*/*']
  for (const { bytes } of headViews({ headers })) assert.equal(joined(bytes), undefined)
})
