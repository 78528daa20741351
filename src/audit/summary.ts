import type { AuditRecord, Decision } from './record.ts'

export interface Count {
  readonly name: string
  readonly count: number
}

/** Counts over records, each list with the most frequent first and no longer than ten. */
export interface AuditSummary {
  readonly total_entries: number
  readonly decisions: Readonly<Record<Decision, number>>
  readonly directions: readonly Count[]
  readonly top_hosts: readonly Count[]
  readonly top_blocked_hosts: readonly Count[]
  readonly inspectors: readonly Count[]
  readonly methods: readonly Count[]
}

const LISTED = 10
/** The workload chooses the names that are counted: no more different ones than this are told apart. */
const DIFFERENT = 10_000

export async function summarise(records: AsyncIterable<AuditRecord>): Promise<AuditSummary> {
  const decisions = { allowed: 0, flagged: 0, blocked: 0 }
  const tallies = {
    directions: new Tally(),
    top_hosts: new Tally(),
    top_blocked_hosts: new Tally(),
    inspectors: new Tally(),
    methods: new Tally(),
  }
  let total = 0
  for await (const record of records) {
    total += 1
    decisions[record.decision] += 1
    tallies.directions.add(record.direction)
    tallies.top_hosts.add(record.host)
    if (record.decision === 'blocked') tallies.top_blocked_hosts.add(record.host)
    for (const { name } of record.inspectors ?? []) tallies.inspectors.add(name)
    tallies.methods.add(record.method)
  }
  return {
    total_entries: total,
    decisions,
    directions: tallies.directions.top(),
    top_hosts: tallies.top_hosts.top(),
    top_blocked_hosts: tallies.top_blocked_hosts.top(),
    inspectors: tallies.inspectors.top(),
    methods: tallies.methods.top(),
  }
}

class Tally {
  readonly #counts = new Map<string, number>()
  #others = 0

  add(name: string): void {
    const count = this.#counts.get(name)
    if (count === undefined && this.#counts.size >= DIFFERENT) this.#others += 1
    else this.#counts.set(name, (count ?? 0) + 1)
  }

  top(): readonly Count[] {
    const counts = [...this.#counts].map(([name, count]) => ({ name, count }))
    if (this.#others > 0) counts.push({ name: '(others)', count: this.#others })
    return counts.toSorted((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1)).slice(0, LISTED)
  }
}
