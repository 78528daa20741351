import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import type { WorkloadPlan } from '../isolation/isolation.ts'
import type { MoatNamespaces } from '../isolation/process/launch.ts'
import { readPrivateFile, usable } from '../secrets/private-state.ts'
import { writeFileAtomic } from '../system/files.ts'
import { identifySelf, isAlive, parseIdentity } from '../system/process-identity.ts'

/** What another command needs to work inside a cage that a supervisor runs. */
export interface RunningCage {
  /** Of the supervisor. */
  readonly pid: number
  readonly moat: MoatNamespaces
  readonly plan: WorkloadPlan
  /** Path of the socket that takes commands for its machine. */
  readonly sessions?: string | undefined
}

const FILE = 'running.json'
const MAX_FILE = 4 * 1024 * 1024

/** Only the frame: the plan was made by this program, and lies where this user alone can write. */
const frame = z.object({
  process: z.string(),
  moat: z.object({ userNamespace: z.string(), networkNamespace: z.string() }),
  plan: z.custom<WorkloadPlan>((value) => typeof value === 'object' && value !== null && 'mounts' in value),
  sessions: z.string().optional(),
})

/** Lets other commands find this supervisor's cage, until it is disposed of. */
export async function publishCage(
  stateFolder: string,
  { moat, plan, sessions }: Pick<RunningCage, 'moat' | 'plan' | 'sessions'>,
): Promise<AsyncDisposable> {
  const path = join(stateFolder, FILE)
  const { userNamespace, networkNamespace } = moat
  const text = JSON.stringify({
    process: identifySelf().text,
    moat: { userNamespace, networkNamespace },
    plan,
    sessions,
  })
  await usable(path, () => writeFileAtomic(path, text, { mode: 0o600 }))
  return { [Symbol.asyncDispose]: () => rm(path, { force: true }) }
}

/** The cage that runs with this state; undefined when none does. */
export async function findCage(stateFolder: string): Promise<RunningCage | undefined> {
  const bytes = await readPrivateFile(join(stateFolder, FILE), MAX_FILE)
  if (bytes === undefined) return undefined
  const { process: text, moat, plan, sessions } = frame.parse(JSON.parse(bytes.toString('utf8')))
  const identity = parseIdentity(text)
  // A process id is used again: only with its start and boot it names the supervisor that wrote this.
  if (identity === undefined || identity.foreign || !isAlive(identity, 0)) return undefined
  return { pid: identity.pid, moat, plan, sessions }
}
