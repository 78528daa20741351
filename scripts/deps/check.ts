/**
 * Tells which of what is pinned has a newer version: every package of the lockfile, and the base of the egress's image.
 * Changes nothing. Exits with 1 when there is something newer, with 2 when somebody could not be asked.
 */
import { FALLBACK_BASE } from '../../src/isolation/container/image/containerfile.ts'
import { newerImage } from './image.ts'
import { newerPackages } from './packages.ts'
import type { Finding } from './finding.ts'

const answers = await Promise.allSettled([newerPackages(), newerImage(FALLBACK_BASE)])
const findings = answers.flatMap((answer): readonly Finding[] => (answer.status === 'fulfilled' ? answer.value : []))
const problems = answers.flatMap((answer) => (answer.status === 'rejected' ? [String(answer.reason)] : []))

for (const { name, pinned, newest } of findings)
  process.stdout.write(`${name}: ${pinned} is pinned, ${newest} is there\n`)
for (const problem of problems) process.stderr.write(`error: ${problem}\n`)
if (findings.length === 0 && problems.length === 0) process.stdout.write('everything pinned is the newest\n')
process.exitCode = problems.length > 0 ? 2 : findings.length > 0 ? 1 : 0
