interface Stretch {
  readonly start: number
  readonly end: number
}

/** What is left of a stretch without these texts; undefined when none of them overlaps it. */
export function withoutTexts(bytes: Buffer, { start, end }: Stretch, texts: readonly string[]): Buffer | undefined {
  const cuts = texts.flatMap((text) => overlapping(bytes, { start, end }, text))
  if (cuts.length === 0) return undefined
  const kept: Buffer[] = []
  let at = start
  for (const cut of cuts.toSorted((one, other) => one.start - other.start)) {
    if (cut.start > at) kept.push(bytes.subarray(at, cut.start))
    at = Math.max(at, cut.end)
  }
  if (at < end) kept.push(bytes.subarray(at, end))
  return Buffer.concat(kept)
}

/** Where a text stands so that it shares a byte with the stretch: one that ends where the stretch starts does not. */
function overlapping(bytes: Buffer, { start, end }: Stretch, text: string): readonly Stretch[] {
  const found: Stretch[] = []
  const from = Math.max(0, start - text.length + 1)
  const window = bytes.toString('latin1', from, end + text.length - 1)
  for (let at = window.indexOf(text); at !== -1; at = window.indexOf(text, at + text.length))
    found.push({ start: from + at, end: from + at + text.length })
  return found
}
