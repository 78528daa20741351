import { verifyCage, type VerifyReport } from '../../cage/verify/verify.ts'
import type { Io } from '../io.ts'
import { painterFor } from '../render/paint.ts'
import { printable } from '../render/printable.ts'
import type { CageJsonFlags } from '../routes/cage-look.ts'

/** `agentcage cage verify NAME`: 1 when anything failed. */
export async function cageVerify(flags: CageJsonFlags, [name]: readonly [string], io: Io): Promise<number> {
  const report = await verifyCage(name, io.env)
  io.stdout.write(flags.json ? `${JSON.stringify(report, null, 2)}\n` : rendered(report, io))
  return report.failed === 0 ? 0 : 1
}

const COLOURS = { pass: 'green', fail: 'red', warn: 'yellow' } as const

function rendered({ cage, sections, passed, failed, warnings }: VerifyReport, io: Io): string {
  const paint = painterFor(io.stdout, io.env)
  const lines = sections.flatMap(({ title, checks }) => [
    `-- ${title} --`,
    ...checks.map(({ status, text }) => `  ${paint(COLOURS[status], `[${status.toUpperCase()}]`)} ${printable(text)}`),
    '',
  ])
  const results = `=== Results: ${passed} passed, ${failed} failed, ${warnings} warnings ===`
  const advice = failed > 0 ? ['    Review failures above.'] : []
  return `${[`=== agentcage verify: ${cage} ===`, '', ...lines, results, ...advice].join('\n')}\n`
}
