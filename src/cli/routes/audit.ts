import type { Decision } from '../../audit/record.ts'
import { countArgument, textArgument } from '../arguments.ts'
import { command } from '../command.ts'

export interface AuditFlags {
  readonly json: boolean
  readonly follow: boolean
  readonly decision?: Decision | undefined
  /** Substring of the host. */
  readonly host?: string | undefined
  readonly method?: string | undefined
  /** `1h`, `30m`, `7d` or an ISO 8601 date. */
  readonly since?: string | undefined
  readonly summary: boolean
  readonly verify: boolean
  /** The last N records; 0 means all. */
  readonly lines: number
}

export const auditRoute = command<AuditFlags, [log?: string]>({
  docs: {
    brief: 'Show, follow, sum up or verify an audit log',
    customUsage: [
      '[FILE|NAME] [--json] [-f] [-d DECISION] [--host HOST] [--method METHOD] [--since SINCE] [-n N]',
      '[FILE|NAME] --summary [--json]',
      '[FILE|NAME] --verify [--json]',
    ],
  },
  parameters: {
    flags: {
      json: {
        kind: 'boolean',
        withNegated: false,
        brief: 'Print JSON: one record a line, or one object with --summary',
      },
      follow: { kind: 'boolean', withNegated: false, brief: 'Go on with new records as they are written' },
      decision: {
        kind: 'enum',
        values: ['allowed', 'flagged', 'blocked'],
        optional: true,
        placeholder: 'allowed|flagged|blocked',
        brief: 'Only records with this decision',
      },
      host: {
        kind: 'parsed',
        parse: textArgument,
        optional: true,
        placeholder: 'HOST',
        brief: 'Only hosts that contain HOST',
      },
      method: {
        kind: 'parsed',
        parse: textArgument,
        optional: true,
        placeholder: 'METHOD',
        brief: 'Only this method, in any case',
      },
      since: {
        kind: 'parsed',
        parse: textArgument,
        optional: true,
        placeholder: 'SINCE',
        brief: 'Only records since: 1h, 30m, 7d, or an ISO date',
      },
      summary: { kind: 'boolean', withNegated: false, brief: 'Counts in place of records' },
      verify: { kind: 'boolean', withNegated: false, brief: 'Check the hash chain' },
      lines: {
        kind: 'parsed',
        parse: countArgument,
        default: '100',
        placeholder: 'N',
        brief: 'The last N records; 0 for all',
      },
    },
    aliases: { f: 'follow', d: 'decision', n: 'lines' },
    positional: {
      kind: 'tuple',
      parameters: [
        {
          parse: textArgument,
          optional: true,
          placeholder: 'FILE|NAME',
          brief: 'A log file or the name of a cage (default: the last one)',
        },
      ],
    },
  },
  load: async () => (await import('../commands/audit.ts')).audit,
})
