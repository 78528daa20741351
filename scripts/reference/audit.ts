import { AUDIT_FIELDS, MOST_FINDINGS, MOST_NAMES, type AuditField } from '../../src/audit/fields.ts'
import { pageHead, table } from './markdown.ts'

export function auditPage(): string {
  const fields: readonly (readonly [string, AuditField])[] = Object.entries(AUDIT_FIELDS)
  const rows = fields.map(([name, field]) => [`\`${name}\``, shapeOf(field), `${field.doc}${boundOf(field)}`])
  return [
    pageHead('Audit records', 'src/audit/fields.ts'),
    ...BEFORE,
    '',
    table(['field', 'type', 'meaning'], rows),
    `A record has at most ${MOST_FINDINGS} findings and ${MOST_NAMES} names of secrets of each kind.`,
    '',
    ...BEHIND,
    '',
  ].join('\n')
}

function shapeOf({ type, optional }: AuditField): string {
  const shape = { text: 'string', number: 'number', names: 'array of strings', findings: 'array of objects' }[type]
  return optional ? `${shape}, optional` : shape
}

function boundOf({ limit }: AuditField): string {
  return limit === undefined ? '' : ` At most ${limit} characters.`
}

const BEFORE = [
  'Every exchange - a request and its response, a WebSocket, a DNS query, a connection that was refused - is one line of JSON',
  'in the audit log. The line is written before the exchange ends. If it cannot be written, the exchange is denied, and so is',
  'every other until it can.',
  '',
  'The log of a cage is `$XDG_STATE_HOME/agentcage/cages/NAME/audit.jsonl`, by default',
  '`~/.local/state/agentcage/cages/NAME/audit.jsonl`. The workload cannot see it.',
  '',
  'When it has grown to 128 MiB it goes on in a new file: what was written lies in `audit-1.jsonl`, `audit-2.jsonl` and so on',
  'beside it, the oldest first. The chain runs through all of them, and `agentcage audit` reads them as one log. Nothing is ever',
  'removed; whoever moves older files away keeps them together, because the chain begins with the first.',
  '',
  '## Fields',
  '',
  'Fields stand in this order. Further fields may be added; what is here keeps its name and meaning.',
]

const BEHIND = [
  'Texts come from the workload. Those that are too long end in an ellipsis (`…`). Control characters, DEL and C1 controls,',
  'bidirectional overrides and other invisible characters are written as `\\uXXXX`, so a log can be shown with `cat`.',
  '',
  '## The chain',
  '',
  '`hash` is the SHA-256 of the bytes of the line before `,"hash":`, and `prev` is the `hash` of the line before. One line by',
  'hand:',
  '',
  '```sh',
  `head -n 1 audit.jsonl | sed 's/,"hash":.*//' | tr -d '\\n' | sha256sum`,
  '```',
  '',
  '`agentcage audit FILE --verify` checks a log of any size, with the older files that it goes on from. It finds lines that were edited, removed from the beginning or the',
  'middle, repeated, moved or added, and names the first. It prints the hash of the last line, the head.',
  '',
  'A chain alone cannot show that its end was cut off. `audit.jsonl.head` lies beside the log and says where it had come to when',
  'it was last put on the disk, which happens each second and at its end: `--verify` finds an end before that, and nothing is',
  'started on such a log. Without this file the end is not checked, nor is it for a log that was copied elsewhere without it.',
  '',
  'What neither shows: that somebody who can write both files wrote them anew, or cut off both; and the loss of records of the',
  'last second where the machine lost power. Whoever needs more keeps the head that `--verify` prints elsewhere and compares.',
  '',
  '## One writer',
  '',
  'A log has one writer at a time. `audit.jsonl.lock` is a symbolic link that names it: process, its start time, the boot and',
  'the PID namespace. The lock of a dead process is taken over. A log is refused that is a symbolic link, is no regular file,',
  'belongs to another user, has a second name, or lies in a folder that others can write (unless it is sticky, as `/tmp` is).',
  '',
  'When a writer was killed in the middle of a line, the next one moves those bytes to `audit.jsonl.torn-TIME` and goes on',
  'with the chain. When the last whole line is wrong, the log was edited: nothing is started until it is moved away.',
  'So it is when its end was cut off. A log that is moved away with its older files is begun anew.',
  '',
  'The log becomes unusable, and requests are denied, when the disk is full (until there is room), and for good when the file is',
  'moved, deleted or written by something else while it is in use.',
  '',
  '## `agentcage audit`',
  '',
  '```',
  'agentcage audit [FILE|NAME] [-f] [--json] [-n N] [--decision D] [--host H] [--method M] [--since S] [--summary] [--verify]',
  '```',
  '',
  '| argument | meaning |',
  '| --- | --- |',
  '| `FILE` or `NAME` | A file, if there is one of that name or it holds a `/`; else the cage of that name. Absent: the cage whose log changed last. |',
  '| `-n N` | The last N records that match, 100 by default; 0 for all. |',
  '| `-f` | Goes on with new records, also when the file is cut off or replaced. |',
  '| `--decision` | `allowed`, `flagged` or `blocked`. |',
  '| `--host` | Hosts that contain the text, in any case. |',
  '| `--method` | The method, in any case. |',
  '| `--since` | `30m`, `1h`, `7d` ago, or an ISO date with or without a time; without a zone it is UTC. |',
  '| `--json` | The lines of the log; with `--summary` or `--verify` one object. |',
  '| `--summary` | Counts over all records that match: decisions, directions, hosts, blocked hosts, inspectors, methods. |',
  '| `--verify` | Checks the chain of the whole log. |',
  '',
  'Exit codes: 0 fine; 1 the log is absent, unreadable or its chain is broken; 2 the command line was wrong.',
  'Colours appear on a terminal only, and not where `NO_COLOR` is set.',
]
