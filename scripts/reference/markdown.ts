/** What stands at the top of every generated page. */
export function pageHead(title: string, source: string): string {
  return `# ${title}\n\n<!-- Generated from ${source} by scripts/generate.ts. Edit the source, not this page. -->\n`
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows.map((row) => row.map(cell))]
  return lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
