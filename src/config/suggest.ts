/** ` (did you mean "allowlist"?)`, or '' when no candidate is near. */
export function didYouMean(text: string, candidates: Iterable<string>): string {
  const near = nearest(text, candidates)
  return near === undefined ? '' : ` (did you mean "${near}"?)`
}

/** The candidate that takes the fewest edits, unless it takes so many that it is another word. */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Infinity
  for (const candidate of candidates) {
    const distance = editDistance(text, candidate, Math.min(bestDistance - 1, allowance(candidate)))
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** One edit in short words, up to a third of the letters in long ones. */
function allowance(candidate: string): number {
  return Math.max(1, Math.floor(candidate.length / 3))
}

/**
 * Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment), letter case aside
 * except as a tie-breaker. Infinity above `limit`.
 */
function editDistance(a: string, b: string, limit: number): number {
  if (a === b) return 0
  if (Math.abs(a.length - b.length) > limit) return Infinity
  const [from, to] = [a.toLowerCase(), b.toLowerCase()]
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= to.length; j += 1) {
      const substitution = cell(last, j - 1) + (from[i - 1] === to[j - 1] ? 0 : 1)
      const swap = from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1] ? cell(beforeLast, j - 2) + 1 : Infinity
      row.push(Math.min(cell(last, j) + 1, cell(row, j - 1) + 1, substitution, swap))
    }
    beforeLast = last
    last = row
  }
  const distance = cell(last, to.length)
  return distance > limit ? Infinity : distance
}

function cell(row: readonly number[], index: number): number {
  return row[index] ?? Infinity
}
