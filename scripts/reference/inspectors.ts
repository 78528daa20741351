import { BUILT_IN_INSPECTORS, type BuiltInInspector } from '../../src/config/inspectors.ts'
import { DENIALS, type DenialCode } from '../../src/egress/denial.ts'
import { pageHead, table } from './markdown.ts'

export function inspectorsPage(): string {
  const inspectors: readonly (readonly [string, BuiltInInspector])[] = Object.entries(BUILT_IN_INSPECTORS)
  const rows = inspectors.map(([name, { looksAt, action, section, codes }]) => [
    `\`${name}\``,
    looksAt,
    action,
    `\`${section}\``,
    codes.map((code) => `\`${code}\``).join(', '),
  ])
  const codes = new Set<string>(inspectors.flatMap(([, inspector]) => inspector.codes))
  codes.add('inspector_failed').add('response_too_large')
  const denials = [...codes].map((code) => {
    const { status, summary } = DENIALS[code as DenialCode]
    return [`\`${code}\``, String(status), summary]
  })
  return [
    pageHead('Inspectors', 'src/config/inspectors.ts and src/egress/denial.ts'),
    'Who looks at what leaves and comes back, in the order in which they are asked. The first `block` ends it, flags add up,',
    'and only the end allows; one that fails or takes more than a second blocks. Inspectors of your own (`inspectors`) come',
    'before `budget`: [how to write one](../how-to/inspector.md).',
    '',
    table(['name', 'looks at', 'when it finds something', 'section', 'codes'], rows),
    '## Codes',
    '',
    'What the workload is told, and what stands in the record.',
    '',
    table(['code', 'status', 'meaning'], denials),
  ].join('\n')
}
