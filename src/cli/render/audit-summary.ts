import type { AuditSummary, Count } from '../../audit/summary.ts'
import { printable } from './printable.ts'
import { displayWidth } from './width.ts'

/** A summary as text, section by section; a section without entries is left out. */
export function renderSummary(summary: AuditSummary): string {
  const decisions = Object.entries(summary.decisions).map(([name, count]) => ({ name, count }))
  const sections = [
    section('Decisions', decisions, (count) => ` (${percent(count, summary.total_entries)})`),
    section('Directions', summary.directions),
    section('Top hosts', summary.top_hosts),
    section('Top blocked hosts', summary.top_blocked_hosts),
    section('Inspector triggers', summary.inspectors),
    section('Methods', summary.methods),
  ]
  return `Total entries: ${summary.total_entries}\n${sections.join('')}`
}

function section(title: string, counts: readonly Count[], note: (count: number) => string = () => ''): string {
  if (counts.length === 0) return ''
  const rows = counts.map(({ name, count }) => ({ name: name === '' ? '(none)' : printable(name), count }))
  const nameWidth = Math.max(...rows.map(({ name }) => displayWidth(name)))
  const countWidth = Math.max(...rows.map(({ count }) => String(count).length))
  const lines = rows.map(({ name, count }) => {
    const padding = ' '.repeat(nameWidth - displayWidth(name))
    return `  ${name}${padding}  ${String(count).padStart(countWidth)}${note(count)}\n`
  })
  return `\n${title}:\n${lines.join('')}`
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '0.0%' : `${((part / whole) * 100).toFixed(1)}%`
}
