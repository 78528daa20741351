import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, release } from 'node:os'
import { join } from 'node:path'

export function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5)
}

/** The smallest of the numbers that at least this share of them does not exceed. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

/** Writes `bench/results/NAME.json`, with what figures depend on and nothing that names the machine. */
export async function writeResults(name: string, figures: Readonly<Record<string, unknown>>): Promise<void> {
  const folder = join(import.meta.dirname, '../results')
  const circumstances = {
    taken: new Date().toISOString(),
    processor: cpus()[0]?.model ?? 'unknown',
    processors: availableParallelism(),
    kernel: release(),
    node: process.version,
  }
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify({ ...circumstances, ...figures }, undefined, 2)}\n`)
}
