import { isSeq, type Node, type YAMLSeq } from 'yaml'

/*
 * Changes of a list in the text itself, so that not a byte of the rest is another. Each yields undefined where the text is
 * written in a way that it does not know; the document is then printed anew.
 */

/** `source` with `item`, one line of YAML, at the end of the list. */
export function spliceEnd(source: string, list: YAMLSeq<Node>, item: string): string | undefined {
  const last = list.items.at(-1)
  if (list.range === undefined || list.range === null) return undefined
  if (list.flow === true) {
    const at = endOf(last)
    if (last === undefined) return insert(source, list.range[0] + 1, item)
    return at === undefined ? undefined : insert(source, at, `, ${item}`)
  }
  const dash = dashOf(source, last)
  const end = endOf(last)
  if (dash === undefined || end === undefined) return undefined
  return insert(source, lineEnd(source, end), `\n${dash}${item}`)
}

/** `source` with `item` in place of the list's entry at `index`. */
export function spliceItem(
  source: string,
  list: YAMLSeq<Node>,
  { index, item }: { readonly index: number; readonly item: string },
): string | undefined {
  const node = list.items[index]
  const start = node?.range?.[0]
  const end = endOf(node)
  if (start === undefined || end === undefined || source.slice(start, end).includes('\n')) return undefined
  return source.slice(0, start) + item + source.slice(end)
}

/** `source` without the list's entry at `index`, of more than one. */
export function spliceOut(source: string, list: YAMLSeq<Node>, index: number): string | undefined {
  const node = list.items[index]
  const start = node?.range?.[0]
  const end = endOf(node)
  if (start === undefined || end === undefined || list.items.length < 2) return undefined
  if (list.flow === true) {
    const next = list.items[index + 1]?.range?.[0]
    if (next !== undefined) return source.slice(0, start) + source.slice(next)
    const before = endOf(list.items[index - 1])
    return before === undefined ? undefined : source.slice(0, before) + source.slice(end)
  }
  if (dashOf(source, node) === undefined) return undefined
  const from = source.lastIndexOf('\n', start - 1) + 1
  return source.slice(0, from) + source.slice(lineEnd(source, end) + 1)
}

/** `    - `, what stands before the entry on its line; undefined where something else does. */
function dashOf(source: string, item: Node | undefined): string | undefined {
  const start = item?.range?.[0]
  if (start === undefined) return undefined
  const before = source.slice(source.lastIndexOf('\n', start - 1) + 1, start)
  return /^ *- +$/.test(before) ? before : undefined
}

/** The end of the value, without what follows it on its line. */
function endOf(item: Node | undefined): number | undefined {
  if (item === undefined || item.range === undefined || item.range === null) return undefined
  const [start, end] = item.range
  return isSeq(item) || end <= start ? undefined : end
}

function lineEnd(source: string, from: number): number {
  // A block mapping's end lies behind its last newline.
  const at = source[from - 1] === '\n' ? from - 1 : source.indexOf('\n', from)
  return at === -1 ? source.length : at
}

function insert(source: string, at: number, text: string): string {
  return source.slice(0, at) + text + source.slice(at)
}
