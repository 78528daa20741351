/**
 * `agentcage audit` as a person runs it: which log it takes, what it prints, and its exit codes - 0 fine, 1 the log is
 * broken or absent, 2 the request was wrong.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { AuditLog } from '../../src/audit/log.ts'
import type { AuditEvent } from '../../src/audit/record.ts'
import { main } from '../../src/cli/main.ts'
import { auditEvent, recordsIn, temporaryFolder } from '../audit/fixture.ts'
import { COMPILED, PROGRAM } from '../support/program.ts'

const HOSTILE = '/\x1b]0;owned\x07\x9b2J\u202e\r\n'

const EVENTS: readonly Partial<AuditEvent>[] = [
  { secrets_injected: ['KEY_A', 'KEY_B'], secrets_redacted: ['KEY_A'] },
  {
    decision: 'blocked',
    host: 'evil.example',
    method: 'POST',
    path: HOSTILE,
    url: HOSTILE,
    reason: `domain not in allowlist: ${HOSTILE}`,
  },
  {
    decision: 'flagged',
    reason: 'high entropy body',
    inspectors: [{ name: 'entropy', action: 'flag', reason: 'high entropy body', severity: 'warning' }],
  },
]

describe('agentcage audit FILE', () => {
  test('prints a table, whole cells where it is no terminal', async (t) => {
    const { folder } = await logIn(t)
    const { out, code } = await run(['./audit.jsonl'], { folder })
    assert.equal(code, 0)
    const lines = out.split('\n')
    assert.equal(lines.length, 5)
    assert.match(lines[0] ?? '', /^TIMESTAMP {18}DIRECTION {2}METHOD {3}HOST {22}PORT {2}PATH {17}DECISION {3}REASON$/)
    assert.match(
      lines[1] ?? '',
      /^\S{26} outbound {3}GET {6}api\.example\.com {11}\d{3} .* allowed {4}\[injected: KEY_A, KEY_B\] \[redacted: KEY_A\]$/,
    )
    assert.match(lines[2] ?? '', /domain not in allowlist: \/\\x1b\]0;owned\\x07\\x9b2J\\u202e\\x0d\\x0a$/)
  })

  for (const args of [[], ['--json'], ['--summary'], ['--summary', '--json'], ['--verify'], ['--host', 'evil']]) {
    test(`prints nothing that acts on a terminal: ${args.join(' ')}`, async (t) => {
      const { folder } = await logIn(t)
      const { out, err } = await run(['audit.jsonl', ...args], { folder })
      assert.doesNotMatch(out + err, /[\0-\x09\x0b-\x1f\x7f-\x9f\u202e]/)
    })
  }

  test('fits a terminal, with the decision in colour unless NO_COLOR says no', async (t) => {
    const { folder } = await logIn(t)
    for (const columns of [80, 100, 200]) {
      const { out } = await run(['audit.jsonl'], { folder, columns })
      assert.match(out, /\x1b\[31mblocked/)
      for (const line of out.replaceAll(/\x1b\[\d+m/g, '').split('\n')) assert.ok(line.length <= columns, line)
    }
    const plain = await run(['audit.jsonl'], { folder, columns: 80, env: { NO_COLOR: '1' } })
    assert.doesNotMatch(plain.out, /\x1b/)
  })

  test('prints the lines of the log as JSON', async (t) => {
    const { folder, file } = await logIn(t)
    const { out } = await run(['audit.jsonl', '--json', '-n', '2'], { folder })
    assert.equal(out, readFileSync(file, 'utf8').split('\n').slice(1).join('\n'))
  })

  test('filters', async (t) => {
    const { folder } = await logIn(t)
    const cases: ReadonlyArray<readonly [readonly string[], number]> = [
      [['--decision', 'blocked'], 1],
      [['-d', 'allowed'], 1],
      [['--host', 'example'], 3],
      [['--method', 'post'], 1],
      [['--since', '1h'], 3],
      [['--since', '2999-01-01'], 0],
      [['-n', '1'], 1],
      [['-n', '0'], 3],
    ]
    for (const [args, count] of cases) {
      const { out, code } = await run(['audit.jsonl', '--json', ...args], { folder })
      assert.deepEqual([code, out.split('\n').length - 1], [0, count], args.join(' '))
    }
    assert.deepEqual(await run(['audit.jsonl', '--host', 'none'], { folder }), {
      code: 0,
      out: '',
      err: 'No records.\n',
    })
  })

  test('says how many lines were no records', async (t) => {
    const { folder, file } = await logIn(t)
    appendFileSync(file, 'x\n')
    const { err, code } = await run(['audit.jsonl'], { folder })
    assert.equal(code, 0)
    assert.match(err, /^warning: 1 lines of .*audit\.jsonl are no records; see --verify\n$/)
  })

  test('sums up', async (t) => {
    const { folder } = await logIn(t)
    const { out } = await run(['audit.jsonl', '--summary'], { folder })
    assert.equal(out, SUMMARY)
    const json = await run(['audit.jsonl', '--summary', '--json'], { folder })
    assert.deepEqual(JSON.parse(json.out), {
      total_entries: 3,
      decisions: { allowed: 1, flagged: 1, blocked: 1 },
      directions: [{ name: 'outbound', count: 3 }],
      top_hosts: [
        { name: 'api.example.com', count: 2 },
        { name: 'evil.example', count: 1 },
      ],
      top_blocked_hosts: [{ name: 'evil.example', count: 1 }],
      inspectors: [{ name: 'entropy', count: 1 }],
      methods: [
        { name: 'GET', count: 2 },
        { name: 'POST', count: 1 },
      ],
    })
  })

  test('verifies', async (t) => {
    const { folder, file } = await logIn(t)
    const head = recordsIn(file).at(-1)?.hash
    assert.deepEqual(await run(['audit.jsonl', '--verify'], { folder }), {
      code: 0,
      out: `audit chain ok: 3 records, head ${head}\n`,
      err: '',
    })
    writeFileSync(file, readFileSync(file, 'utf8').replace('"blocked"', '"allowed"'))
    const broken = await run(['audit.jsonl', '--verify'], { folder })
    assert.deepEqual([broken.code, broken.out], [1, ''])
    assert.match(broken.err, /^error: .*audit\.jsonl: line 2: the record was changed/)
    const json = await run(['audit.jsonl', '--verify', '--json'], { folder })
    assert.equal(json.code, 1)
    assert.equal((JSON.parse(json.out) as { line: number }).line, 2)
  })

  test('follows until it is interrupted', async (t) => {
    const { file } = await logIn(t)
    const child = spawn(process.execPath, [PROGRAM, 'audit', file, '-f', '--json', '-n', '1'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    const [last] = (await once(child.stdout, 'data')) as [Buffer]
    assert.match(last.toString(), /"flagged"/)
    await using log = AuditLog.open(file, { cage: 'demo' })
    log.append(auditEvent({ id: 'new' }))
    const [next] = (await once(child.stdout, 'data')) as [Buffer]
    assert.match(next.toString(), /"id":"new"/)
    child.kill('SIGINT')
    await once(child, 'exit')
  })
})

describe('agentcage audit NAME', () => {
  test('takes the log of that cage, and without a name the one that changed last', async (t) => {
    const state = temporaryFolder(t)
    for (const [name, time] of [
      ['old', 1000],
      ['new', 3000],
      ['older', 2000],
    ] as const) {
      const file = join(state, 'agentcage', 'cages', name, 'audit.jsonl')
      const log = AuditLog.open(file, { cage: name })
      log.append(auditEvent())
      await log.close()
      utimesSync(file, time, time)
    }
    mkdirSync(join(state, 'agentcage', 'cages', 'empty'))
    const env = { XDG_STATE_HOME: state }
    assert.match((await run(['old', '--json'], { folder: state, env })).out, /"cage":"old"/)
    assert.match((await run(['--json'], { folder: state, env })).out, /"cage":"new"/)
    const empty = await run(['empty'], { folder: state, env })
    assert.equal(empty.code, 1)
    assert.match(empty.err, /^error: there is no audit log of a cage 'empty'/)
  })

  test('says so when there is none', async (t) => {
    const folder = temporaryFolder(t)
    const none = await run([], { folder, env: { XDG_STATE_HOME: folder } })
    assert.equal(none.code, 1)
    assert.match(none.err, /^error: there is no audit log in .*\n {2}Run a cage first/)
  })
})

describe('agentcage audit refuses', () => {
  const wrong: ReadonlyArray<readonly [args: readonly string[], message: RegExp]> = [
    [
      ['audit.jsonl', '--since', 'noon'],
      /^error: could not parse --since 'noon' \(use 1h, 30m, 7d, or an ISO date\)\n$/,
    ],
    [['audit.jsonl', '--since', '\x1b[2J'], /'\\x1b\[2J'/],
    [['audit.jsonl', '--verify', '--host', 'x'], /--verify checks the whole log/],
    [['audit.jsonl', '--verify', '-f'], /--verify checks the whole log/],
    [['audit.jsonl', '--summary', '-f'], /cannot be combined/],
    [['NoSuchFile'], /neither a file nor a name/],
    [['audit.jsonl', '--decision', 'maybe'], /./],
    [['audit.jsonl', '-n', 'x'], /./],
  ]
  for (const [args, message] of wrong) {
    test(JSON.stringify(args), async (t) => {
      const { folder } = await logIn(t)
      const { code, out, err } = await run(args, { folder })
      assert.deepEqual([code, out], [2, ''])
      assert.match(err, message)
    })
  }

  test('a file that is not there, with 1', async (t) => {
    const { code, err } = await run(['./absent'], { folder: temporaryFolder(t) })
    assert.equal(code, 1)
    assert.match(err, /^error: audit log .*absent cannot be read: there is no such file \(ENOENT\)\n$/)
  })
})

const SUMMARY = `Total entries: 3

Decisions:
  allowed  1 (33.3%)
  flagged  1 (33.3%)
  blocked  1 (33.3%)

Directions:
  outbound  3

Top hosts:
  api.example.com  2
  evil.example     1

Top blocked hosts:
  evil.example  1

Inspector triggers:
  entropy  1

Methods:
  GET   2
  POST  1
`

async function logIn(t: Parameters<typeof temporaryFolder>[0]): Promise<{ folder: string; file: string }> {
  const folder = temporaryFolder(t)
  const file = join(folder, 'audit.jsonl')
  await using log = AuditLog.open(file, { cage: 'demo' })
  for (const event of EVENTS) log.append(auditEvent(event))
  return { folder, file }
}

interface Place {
  readonly folder: string
  readonly columns?: number
  readonly env?: Readonly<Record<string, string>>
}

async function run(
  args: readonly string[],
  { folder, columns, env = {} }: Place,
): Promise<{ code: number; out: string; err: string }> {
  const stdout = Object.assign(new PassThrough(), columns === undefined ? {} : { isTTY: true, columns })
  const stderr = new PassThrough()
  const outputs = Promise.all([text(stdout), text(stderr)])
  const code = await main(['audit', ...args], {
    stdin: new PassThrough(),
    stdout,
    stderr,
    env: { HOME: folder, ...COMPILED, ...env },
    cwd: () => folder,
  })
  stdout.end()
  stderr.end()
  const [out, err] = await outputs
  return { code, out, err }
}
