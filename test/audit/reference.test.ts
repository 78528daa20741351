/** The reference page of audit records says what the table in the code says. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CHAIN_START } from '../../src/audit/chain.ts'
import { auditFieldsMarkdown } from '../../src/audit/fields.ts'
import { formatLine } from '../../src/audit/line.ts'
import { auditEvent } from './fixture.ts'

test('the table of fields is that of src/audit/fields.ts', () => {
  const page = readFileSync(new URL('../../docs/reference/audit.md', import.meta.url), 'utf8')
  const table = /<!-- fields: [^\n]*-->\n(.*)\n<!-- \/fields -->/s.exec(page)?.[1]
  assert.equal(table, auditFieldsMarkdown(), 'docs/reference/audit.md: put the output of auditFieldsMarkdown() there')
})

test('the hash can be made by hand as the page says', () => {
  const { line, hash } = formatLine(auditEvent(), {
    ts: '2026-11-22T21:23:00.123456+00:00',
    cage: 'demo',
    prev: CHAIN_START,
  })
  const bytes = line.replace(/,"hash":.*/s, '')
  assert.equal(createHash('sha256').update(bytes).digest('hex'), hash)
})
