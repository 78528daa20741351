import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { CageError } from '../../errors.ts'
import type { Podman } from '../../isolation/container/podman.ts'
import { usable } from '../../secrets/private-state.ts'
import { FileInUseError, lockFile } from '../../system/file-lock.ts'
import { ensurePrivateFolder } from '../../system/files.ts'
import { cageState } from '../../system/paths.ts'
import { readDeploymentRecord, type Environment } from '../deployment.ts'
import { openStateFolder } from '../state-folder.ts'
import { removeRun } from './run-network.ts'

/** What a run has on this host, until it is disposed of. The state stays. */
export interface RunState extends AsyncDisposable {
  /** Placeholders and audit log; of this run alone meanwhile. */
  readonly stateFolder: string
  /** In memory, gone afterwards: the configuration, and secrets. */
  readonly scratch: string
  /** What its parts are called after in Podman: no cage can have this name. */
  readonly prefix: string
}

/** Runs of one name at once get state of their own, numbered, as `run` without containers has it. */
const RUNS_AT_ONCE = 32

/** Throws `audit_in_use` when too many run. */
export async function openRunState(name: string, podman: Podman, environment: Environment): Promise<RunState> {
  for (let run = 1; run <= RUNS_AT_ONCE; run++) {
    const own = run === 1 ? name : `${name}-${run}`
    // That state is the service's, which may start at any time.
    if ((await readDeploymentRecord(own, environment)) !== undefined) continue
    const stateFolder = await openStateFolder(cageState(own, environment))
    await using cleanup = new AsyncDisposableStack()
    const lock = lockState(stateFolder)
    if (lock === undefined) continue
    cleanup.use(lock)
    const prefix = `${own}_run`
    const scratch = scratchFolder(prefix, environment)
    cleanup.defer(() => rm(scratch, { recursive: true, force: true }))
    cleanup.defer(() => clearAway(podman, prefix, stateFolder))
    // What a run left that was killed before it could.
    await clearAway(podman, prefix, stateFolder)
    if (!isFree(join(stateFolder, 'audit.jsonl'))) continue
    await makeAnew(scratch)
    const kept = cleanup.move()
    return { stateFolder, scratch, prefix, [Symbol.asyncDispose]: () => kept.disposeAsync() }
  }
  throw new CageError('audit_in_use', `${RUNS_AT_ONCE} runs of '${name}' are under way`)
}

/** Undefined when another run has it. */
function lockState(folder: string): Disposable | undefined {
  try {
    const lock = lockFile(join(folder, 'run'))
    const sign = setInterval(() => lock.refresh(), 2000).unref()
    return {
      [Symbol.dispose]() {
        clearInterval(sign)
        lock.release()
      },
    }
  } catch (error) {
    if (error instanceof FileInUseError) return undefined
    throw error
  }
}

/** Removes the containers of a run, and what holds its logs: a lock of a process that was in one of them. */
async function clearAway(podman: Podman, prefix: string, stateFolder: string): Promise<void> {
  await removeRun(podman, prefix)
  for (const log of ['audit.jsonl', 'dns/audit.jsonl'].map((name) => join(stateFolder, name)))
    if (existsSync(dirname(log)) && holderOf(log)?.foreign === true) await rm(`${log}.lock`, { force: true })
}

/** Whether nobody writes a log, as a run without containers does. */
function isFree(log: string): boolean {
  return holderOf(log) === undefined
}

function holderOf(log: string): FileInUseError['holder'] | undefined {
  try {
    lockFile(log).release()
    return undefined
  } catch (error) {
    if (error instanceof FileInUseError) return error.holder
    throw error
  }
}

/**
 * In memory, beside what systemd makes for services of cages: the folder above theirs can be entered by others.
 * Throws `host_unsupported` where this user has no such place.
 */
function scratchFolder(prefix: string, environment: Environment): string {
  const named = environment['XDG_RUNTIME_DIR']
  const runtime = named !== undefined && isAbsolute(named) ? named : `/run/user/${process.geteuid?.() ?? 0}`
  if (existsSync(runtime)) return join(runtime, 'agentcage-run', prefix)
  throw new CageError('host_unsupported', `${runtime} is missing, which Podman needs too`, {
    hint: 'Log in as this user (su - does not), or: sudo loginctl enable-linger $USER',
  })
}

/** One that was left holds secrets of a run that was killed. */
async function makeAnew(folder: string): Promise<void> {
  await usable(folder, async () => {
    await ensurePrivateFolder(dirname(folder))
    await rm(folder, { recursive: true, force: true })
    await ensurePrivateFolder(folder)
  })
}
