/** What the reference page of audit records says can be done by hand. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { CHAIN_START } from '../../src/audit/chain.ts'
import { formatLine } from '../../src/audit/line.ts'
import { auditEvent } from './fixture.ts'

test('the hash can be made by hand as the page says', () => {
  const { line, hash } = formatLine(auditEvent(), {
    ts: '2026-11-22T21:23:00.123456+00:00',
    cage: 'demo',
    prev: CHAIN_START,
  })
  const bytes = line.replace(/,"hash":.*/s, '')
  assert.equal(createHash('sha256').update(bytes).digest('hex'), hash)
})
