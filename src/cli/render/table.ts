import { printable } from './printable.ts'
import { displayWidth, takeColumns } from './width.ts'

export interface Column {
  readonly title: string
  /** Columns of the terminal that it takes when there is room; absent: as many as its widest cell. */
  readonly width?: number
  /** How narrow it may become when there is not; absent: no narrower. */
  readonly min?: number
  /** Its share of the room that is left over; absent: none. */
  readonly grow?: number
  readonly align?: 'left' | 'right'
  /** What shows that a cell was cut: an ellipsis, or nothing where the beginning says it all (a time). */
  readonly cut?: 'ellipsis' | 'bare'
}

/** `paint` adds colour; it sees the cell after it was made safe, cut and padded. */
export type Cell = string | { readonly text: string; readonly paint: (text: string) => string }

/** Widths of a table's columns. `available`: what the terminal has; undefined where nothing need fit, as in a file. */
export interface Layout {
  readonly columns: readonly Column[]
  readonly widths: readonly number[]
  /** Whether cells are cut to their column. */
  readonly cuts: boolean
}

export function layOut(
  columns: readonly Column[],
  available?: number,
  rows: readonly (readonly Cell[])[] = [],
): Layout {
  const widths = columns.map((column, i) => column.width ?? widest(column.title, rows, i))
  if (available === undefined) return { columns, widths, cuts: false }
  const room = available - (columns.length - 1)
  shrink(widths, columns, room)
  grow(widths, columns, room)
  return { columns, widths, cuts: true }
}

/** A whole table: titles, then rows. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  available?: number,
): string {
  const layout = layOut(columns, available, rows)
  return renderTitles(layout) + rows.map((row) => renderRow(row, layout)).join('')
}

export function renderTitles(layout: Layout): string {
  return renderRow(
    layout.columns.map((column) => column.title),
    layout,
  )
}

/** One row with its newline. Whatever its cells hold, it is one line and safe to print. */
export function renderRow(cells: readonly Cell[], { columns, widths, cuts }: Layout): string {
  const rendered = columns.map((column, i) => {
    const cell = cells[i] ?? ''
    const text = printable(typeof cell === 'string' ? cell : cell.text)
    const width = widths[i] ?? 0
    const fitted = cuts ? cutTo(text, width, column.cut ?? 'ellipsis') : text
    const padding = ' '.repeat(Math.max(0, width - displayWidth(fitted)))
    const last = i === columns.length - 1
    const painted = typeof cell === 'string' || fitted === '' ? fitted : cell.paint(fitted)
    if (column.align === 'right') return padding + painted
    return last ? painted : painted + padding
  })
  return `${rendered.join(' ').trimEnd()}\n`
}

function cutTo(text: string, width: number, how: 'ellipsis' | 'bare'): string {
  if (displayWidth(text) <= width) return text
  return how === 'bare' ? takeColumns(text, width) : `${takeColumns(text, width - 1)}…`
}

function widest(title: string, rows: readonly (readonly Cell[])[], column: number): number {
  return rows.reduce((width, row) => {
    const cell = row[column] ?? ''
    return Math.max(width, displayWidth(printable(typeof cell === 'string' ? cell : cell.text)))
  }, displayWidth(title))
}

/** Takes from whichever column has most to give until all fit, or none has anything left. */
function shrink(widths: number[], columns: readonly Column[], room: number): void {
  const slack = (i: number): number => (widths[i] ?? 0) - (columns[i]?.min ?? Number.POSITIVE_INFINITY)
  for (let excess = sum(widths) - room; excess > 0; excess--) {
    const richest = columns.reduce((best, _, i) => (slack(i) > slack(best) ? i : best), 0)
    if (slack(richest) <= 0) return
    widths[richest] = (widths[richest] ?? 0) - 1
  }
}

function grow(widths: number[], columns: readonly Column[], room: number): void {
  const extra = room - sum(widths)
  const shares = sum(columns.map((column) => column.grow ?? 0))
  if (extra <= 0 || shares === 0) return
  columns.forEach((column, i) => {
    widths[i] = (widths[i] ?? 0) + Math.floor((extra * (column.grow ?? 0)) / shares)
  })
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
