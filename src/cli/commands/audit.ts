import { parseSince, type RecordFilter } from '../../audit/filter.ts'
import { locateLogs } from '../../audit/locate.ts'
import { readLogs } from '../../audit/merge.ts'
import type { Entry, ReadOptions } from '../../audit/read.ts'
import type { AuditRecord } from '../../audit/record.ts'
import { summarise } from '../../audit/summary.ts'
import { makeSafe } from '../../audit/text.ts'
import { verifyLog } from '../../audit/verify.ts'
import { CageError } from '../../errors.ts'
import type { Io } from '../io.ts'
import { AUDIT_COLUMNS, auditRow } from '../render/audit-table.ts'
import { renderSummary } from '../render/audit-summary.ts'
import { painterFor } from '../render/paint.ts'
import { print } from '../render/print.ts'
import { printable } from '../render/printable.ts'
import { layOut, renderRow, renderTitles } from '../render/table.ts'
import type { AuditFlags } from '../routes/audit.ts'

/** JSON allows carriage returns and tabs between its parts. Our writer makes none; an edited file may hold them. */
const CONTROL = /[\0-\x1f]/

/** Shows, follows, sums up or verifies an audit log. `signal` ends `--follow`; without one, the process's end does. */
export async function audit(
  flags: AuditFlags,
  [target]: readonly [log?: string],
  io: Io,
  signal?: AbortSignal,
): Promise<number> {
  refuseContradictions(flags)
  const filter = filterOf(flags)
  const paths = locateLogs(target, { env: io.env, cwd: io.cwd() })
  if (flags.verify) return await verify(paths, flags, io)
  let badLines = 0
  const onBadLine = (): void => void (badLines += 1)
  if (flags.summary) await showSummary(readLogs(paths, { filter, onBadLine }), flags, io)
  else await showRecords(paths, { filter, last: flags.lines, follow: flags.follow, signal, onBadLine }, { flags, io })
  if (badLines > 0)
    io.stderr.write(
      `warning: ${badLines} lines of ${paths.map(printable).join(' and ')} are no records; see --verify\n`,
    )
  return 0
}

function refuseContradictions(flags: AuditFlags): void {
  if (flags.summary && flags.follow) throw new CageError('usage', '--summary and --follow cannot be combined')
  if (!flags.verify) return
  const { decision, host, since, method, summary, follow } = flags
  if (summary || follow || [decision, host, since, method].some((value) => value !== undefined)) {
    throw new CageError(
      'usage',
      '--verify checks the whole log: it cannot be combined with filters, --summary or --follow',
    )
  }
}

function filterOf({ decision, host, method, since: text }: AuditFlags): RecordFilter {
  const since = text === undefined ? undefined : parseSince(text, Date.now() * 1000)
  if (text !== undefined && since === undefined) {
    throw new CageError('usage', `could not parse --since '${printable(text)}' (use 1h, 30m, 7d, or an ISO date)`)
  }
  return { decision, host, method, since }
}

/** Each log is a chain of its own. */
async function verify(paths: readonly [string, ...string[]], { json }: AuditFlags, io: Io): Promise<number> {
  const results = await Promise.all(paths.map((path) => verifyLog(path)))
  if (json) {
    const ok = results.every((result) => result.ok)
    const logs = results.map((result, index) => ({ log: paths[index], ...result }))
    await print(io.stdout, `${JSON.stringify(logs.length === 1 ? results[0] : { ok, logs })}\n`)
    return ok ? 0 : 1
  }
  for (const [index, result] of results.entries()) {
    const path = paths[index] ?? ''
    if (!result.ok)
      throw new CageError(
        'audit_unusable',
        `audit chain broken: ${printable(result.file ?? path)}: line ${result.line}: ${result.problem}`,
      )
    const which = results.length === 1 ? '' : ` (${printable(path)})`
    await print(io.stdout, `audit chain ok: ${result.records} records, head ${result.head}${which}\n`)
  }
  return 0
}

async function showSummary(entries: AsyncIterable<Entry>, { json }: AuditFlags, io: Io): Promise<void> {
  const summary = await summarise(recordsOf(entries))
  await print(io.stdout, json ? `${JSON.stringify(summary)}\n` : renderSummary(summary))
}

async function* recordsOf(entries: AsyncIterable<Entry>): AsyncGenerator<AuditRecord, void, undefined> {
  for await (const { record } of entries) yield record
}

async function showRecords(
  paths: readonly string[],
  options: ReadOptions,
  { flags, io }: { flags: AuditFlags; io: Io },
): Promise<void> {
  const render = flags.json ? jsonLine : tableRow(io)
  let shown = 0
  for await (const entry of readLogs(paths, options)) {
    await print(io.stdout, render(entry))
    shown += 1
  }
  if (shown === 0 && !flags.json) io.stderr.write('No records.\n')
}

/** The line of the log, byte for byte where it is safe to print: its hash can be checked again. */
function jsonLine({ line, record }: Entry): string {
  return `${makeSafe(CONTROL.test(line) ? JSON.stringify(record) : line)}\n`
}

/** Rows for a terminal are fitted to its width, which may change; elsewhere nothing is cut. Titles come before the first. */
function tableRow({ stdout, env }: Io): (entry: Entry) => string {
  const paint = painterFor(stdout, env)
  let first = true
  return ({ record }) => {
    const layout = layOut(AUDIT_COLUMNS, stdout.isTTY === true ? stdout.columns : undefined)
    const titles = first ? renderTitles(layout) : ''
    first = false
    return titles + renderRow(auditRow(record, paint), layout)
  }
}
