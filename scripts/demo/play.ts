import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AuditRecord } from '../../src/audit/record.ts'
import { agentcage, type Result } from './agentcage.ts'
import { checkAgent, checkHost, checkKey, checkNetwork, expect, type Check, type Evidence } from './checks.ts'
import type { DemoInternet } from './internet.ts'
import type { Outcome } from './probes/main.ts'
import type { Screen } from './screen.ts'
import { CAGE, type Stage } from './stage.ts'

export interface Theatre {
  readonly stage: Stage
  readonly internet: DemoInternet
  readonly screen: Screen
  /** Ends what runs, and rejects. */
  readonly signal: AbortSignal
}

/** The demo itself. Returns the exit code. */
export async function play(theatre: Theatre): Promise<number> {
  const { stage, screen } = theatre
  screen.text('An agent in a cage, on an internet of its own: local servers play')
  screen.text('api.anthropic.com, httpbin.org and evil.example.')

  screen.section('The agent')
  const agent = await runInCage(theatre, 'agent.mjs')
  screen.quote(withoutKey(theatre, `${agent.stdout}${agent.stderr.replaceAll(stage.home, '~')}`))
  if (agent.code !== 0) return cannotPlay()
  const checks = [...show(theatre, checkAgent(gather(theatre, [agent])))]

  screen.section('The key')
  const attempt = await runInCage(theatre, 'probes/main.ts', ...stage.hostFiles)
  if (attempt.code !== 0) screen.quote(withoutKey(theatre, attempt.stderr))
  const evidence = gather(theatre, [agent, attempt])
  checks.push(...show(theatre, checkKey(evidence)))
  screen.section('Ways around the proxy')
  checks.push(...show(theatre, checkNetwork(evidence)))
  screen.section('The machine')
  checks.push(...show(theatre, checkHost(evidence)))

  screen.section('The record')
  const table = await runVisibly(theatre, 'audit', CAGE)
  const chain = await runVisibly(theatre, 'audit', CAGE, '--verify')
  checks.push(...show(theatre, [expect('each request is recorded, in a chain that holds', [table, chain], [0, 0])]))
  return conclude(theatre, checks)
}

async function runInCage(
  { stage, screen, signal }: Theatre,
  script: string,
  ...args: readonly string[]
): Promise<Result> {
  const run = ['run', '-c', 'cage.yaml', '--', 'node', script]
  screen.command(...run, ...(args.length === 0 ? [] : ['…']))
  return agentcage(stage, [...run, ...args], { signal })
}

async function runVisibly({ stage, screen, signal }: Theatre, ...args: readonly string[]): Promise<number | null> {
  screen.command(...args)
  return (await agentcage(stage, args, { signal, show: true })).code
}

function show(theatre: Theatre, checks: readonly Check[]): readonly Check[] {
  const fitToPrint = checks.map((check) => ({ ...check, saw: withoutKey(theatre, check.saw) }))
  for (const check of fitToPrint) theatre.screen.check(check)
  return fitToPrint
}

function withoutKey({ stage }: Theatre, text: string): string {
  return text.replaceAll(stage.key, '(the real key)')
}

function gather({ stage, internet }: Theatre, results: readonly Result[]): Evidence {
  const output = results.map(({ stdout, stderr }) => stdout + stderr).join('')
  return {
    key: stage.key,
    output,
    probes: outcomesIn(output),
    arrivals: internet.arrivals,
    strays: internet.strays,
    records: parseLines(readFileSync(stage.auditLog, 'utf8')) as readonly AuditRecord[],
    hostFiles: stage.hostFiles.filter((path) => existsSync(path)),
    hooks: readdirSync(join(stage.project, '.git/hooks')),
  }
}

function outcomesIn(output: string): Readonly<Record<string, Outcome>> {
  const lines = parseLines(output) as readonly { readonly probe: string; readonly outcome: Outcome }[]
  return Object.fromEntries(lines.map(({ probe, outcome }) => [probe, outcome]))
}

function parseLines(text: string): readonly unknown[] {
  const lines = text.split('\n').filter((line) => line.startsWith('{'))
  return lines.map((line): unknown => JSON.parse(line))
}

function cannotPlay(): number {
  process.stderr.write('The agent did not run. What this machine lacks for it: node bin/agentcage.ts doctor\n')
  return 1
}

function conclude({ screen }: Theatre, checks: readonly Check[]): number {
  const failed = checks.filter(({ holds }) => !holds)
  if (failed.length > 0) {
    screen.section(`${failed.length} of ${checks.length} do not hold:`)
    for (const check of failed) screen.check(check)
    return 1
  }
  screen.section(`All ${checks.length} hold.`)
  screen.text('The home they lived in was a temporary folder, and is gone.')
  screen.text('Your own agent in a cage: docs/get-started/first-cage.md')
  return 0
}
