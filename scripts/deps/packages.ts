import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { z } from 'zod'
import type { Finding } from './finding.ts'

const ROOT = join(import.meta.dirname, '../..')

/** What `npm outdated --json` says of a package; of one that is installed in several places, a list. */
const entry = z.object({ current: z.string().optional(), latest: z.string() })
const answer = z.record(z.string(), z.union([entry, z.array(entry)]))

/** Packages of the lockfile, those of our packages too, that their registry has newer ones of. Rejects when it cannot be asked. */
export async function newerPackages(): Promise<readonly Finding[]> {
  const { stdout, stderr } = await new Promise<{ readonly stdout: string; readonly stderr: string }>((resolve) => {
    // It exits with 1 when there are any, so that its exit code says nothing.
    execFile('npm', ['outdated', '--json', '--all'], { cwd: ROOT, maxBuffer: 16_777_216 }, (_error, out, err) =>
      resolve({ stdout: out, stderr: err }),
    )
  })
  return findingsIn(stdout, stderr)
}

/** Reads what `npm outdated --json` printed. Throws with npm's own words when that is no answer. */
export function findingsIn(stdout: string, stderr = ''): readonly Finding[] {
  const parsed = answer.safeParse(parse(stdout))
  if (!parsed.success) throw new Error(`npm outdated failed: ${stderr.trim() || stdout.trim().slice(0, 300)}`)
  return Object.entries(parsed.data).flatMap(([name, found]) => {
    const versions = [found].flat().filter(({ current, latest }) => current !== undefined && current !== latest)
    const distinct = new Map(versions.map(({ current = '', latest }) => [current, latest]))
    return [...distinct].map(([pinned, newest]) => ({ name, pinned, newest }))
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text.trim() === '' ? '{}' : text)
  } catch {
    return undefined
  }
}
