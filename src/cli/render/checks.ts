import type { Check } from '../../cage/doctor.ts'

/** What was found, a line each, and how to mend it. */
export function checksText(checks: readonly Check[]): string {
  return checks.map(text).join('')
}

function text({ name, status, detail, mend }: Check): string {
  const line = `${`[${status}]`.padEnd(10)}${name}: ${detail}\n`
  return mend === undefined || status === 'ok' ? line : `${line}${' '.repeat(10)}mend: ${mend}\n`
}
