import { text } from 'node:stream/consumers'
import * as z from 'zod'
import { backendOf } from '../backends.ts'
import { loadDeployment, type Deployment, type Environment } from '../deployment.ts'
import { secretVariables } from '../secret-variables.ts'
import type { Judgement } from './judge.ts'
import type { Outcome } from './operation.ts'
import { probesOf, type Probe } from './probes.ts'
import { NO_INTERPRETER, probeCommand } from './program.ts'

export interface VerifySection {
  readonly title: string
  readonly checks: readonly Judgement[]
}

export interface VerifyReport {
  readonly cage: string
  readonly sections: readonly VerifySection[]
  readonly passed: number
  readonly failed: number
  readonly warnings: number
}

/**
 * Proves what a cage promises by trying to break it, from inside. What cannot be tried has failed: a check that did not
 * run says nothing. Throws `cage_unknown` only.
 */
export async function verifyCage(name: string, environment: Environment): Promise<VerifyReport> {
  const deployment = await loadDeployment(name, environment)
  const backend = await backendOf(deployment.record.isolation)
  const services = await backend.status(deployment)
  const running: VerifySection = {
    title: 'Services',
    checks: services.map(({ unit, state }) =>
      state === 'running'
        ? { status: 'pass', text: `${unit} is running` }
        : { status: 'fail', text: `${unit} is NOT running` },
    ),
  }
  const sections = [running, ...(await proveCage(deployment))]
  const all = sections.flatMap(({ checks }) => checks)
  const count = (status: Judgement['status']): number => all.filter((check) => check.status === status).length
  return { cage: name, sections, passed: count('pass'), failed: count('fail'), warnings: count('warn') }
}

/** What the probes found, by section. */
export async function proveCage(deployment: Deployment): Promise<readonly VerifySection[]> {
  return sectionsOf(await probe(deployment))
}

interface Judged {
  readonly section: string
  readonly judgement: Judgement
}

/** For all probes together, in milliseconds: more than the slowest takes, at Podman's own pace or in an emulated machine. */
const PATIENCE_MS = 120_000

async function probe(deployment: Deployment): Promise<readonly Judged[]> {
  const probes = probesOf(deployment)
  try {
    const outcomes = await runProbes(deployment, probes)
    return probes.map((one) => ({ section: one.section, judgement: judgementOf(one, outcomes) }))
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    return [{ section: 'Probes', judgement: { status: 'fail', text: `The probes could not be run: ${problem}` } }]
  }
}

function judgementOf({ operation, judge }: Probe, outcomes: readonly Outcome[]): Judgement {
  const outcome = outcomes.find(({ id }) => id === operation.id)
  return outcome === undefined ? { status: 'fail', text: `${operation.id}: there is no result` } : judge(outcome)
}

const outcomeSchema = z.array(z.object({ id: z.string(), ok: z.boolean(), data: z.string(), error: z.string() }))

async function runProbes(deployment: Deployment, probes: readonly Probe[]): Promise<readonly Outcome[]> {
  const backend = await backendOf(deployment.record.isolation)
  const execution = await backend.exec(deployment, {
    command: probeCommand(probes.map(({ operation }) => operation)),
    part: 'cage',
    stdio: ['ignore', 'pipe', 'pipe'],
    placeholders: await secretVariables(deployment.config, deployment.stateFolder),
    log: () => {},
    signal: AbortSignal.timeout(PATIENCE_MS),
  })
  const [stdout, stderr, { code }] = await Promise.all([
    execution.stdout === undefined ? '' : text(execution.stdout),
    execution.stderr === undefined ? '' : text(execution.stderr),
    execution.exited,
  ])
  if (code === NO_INTERPRETER) throw new Error('the cage has neither node nor python3')
  if (code !== 0) throw new Error(stderr.trim().split('\n').at(-1) || `the probes ended with ${code}`)
  return outcomeSchema.parse(JSON.parse(stdout))
}

function sectionsOf(judged: readonly Judged[]): readonly VerifySection[] {
  const bySection = Map.groupBy(judged, ({ section }) => section)
  return [...bySection].map(([title, group]) => ({ title, checks: group.map(({ judgement }) => judgement) }))
}
