import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { LineSplitter, type LogLine } from '../../src/audit/lines.ts'
import type { AuditEvent, AuditRecord } from '../../src/audit/record.ts'

/** An event of an allowed request; `changes` replaces fields. */
export function auditEvent(changes: Partial<AuditEvent> = {}): AuditEvent {
  return {
    id: randomUUID(),
    direction: 'outbound',
    protocol: 'http/1.1',
    method: 'GET',
    host: 'api.example.com',
    port: 443,
    path: '/v1/models?limit=1',
    url: 'https://api.example.com/v1/models?limit=1',
    decision: 'allowed',
    reason: '',
    code: '',
    status: 200,
    bytes_out: 0,
    bytes_in: 1234,
    duration_ms: 12.5,
    upstream_ip: '203.0.113.7',
    ...changes,
  }
}

/** A folder of its own, 0700, that goes when the test ends. */
export function temporaryFolder(t: Pick<TestContext, 'after'>): string {
  const folder = mkdtempSync(join(tmpdir(), 'agentcage-audit-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function recordsIn(file: string): readonly AuditRecord[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as AuditRecord)
}

/** The lines of a file's contents, as `verifyChain` takes them. */
export function linesOf(contents: Buffer | string): readonly LogLine[] {
  const splitter = new LineSplitter()
  const lines = splitter.push(Buffer.from(contents))
  const rest = splitter.end()
  return rest === undefined ? lines : [...lines, rest]
}
