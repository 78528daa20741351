import { watch } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { CageError } from '../errors.ts'
import { readPrivateFile, usable } from '../secrets/private-state.ts'
import { writeFileAtomic } from '../system/files.ts'
import { identifySelf, isAlive, parseIdentity } from '../system/process-identity.ts'

/** `in-force.json` in a cage's state: what its egress goes by. Written by the egress, read by commands. */
const inForceSchema = z.object({
  /** The process that wrote it, so that what a dead one left is not believed. */
  process: z.string(),
  /** Rises with each attempt of this process to put something in force. */
  serial: z.int(),
  /** Digest of the configuration that was tried last. */
  config_sha256: z.string(),
  /** Why it was not put in force. Absent: it was. */
  problem: z.string().optional(),
})

export type InForce = z.output<typeof inForceSchema>

const FILE = 'in-force.json'
const MAX_FILE = 65_536

/** Tells how each change of the configuration or of the secrets went. */
export class InForceReport {
  readonly #path: string
  readonly #process = identifySelf().text
  #serial = 0
  /** One after the other: what was told last must be what stands there. */
  #telling: Promise<void> = Promise.resolve()

  constructor(stateFolder: string) {
    this.#path = join(stateFolder, FILE)
  }

  /** `problem` absent: it is in force. */
  async tell(configSha256: string, problem?: string): Promise<void> {
    this.#serial += 1
    const report: InForce = {
      process: this.#process,
      serial: this.#serial,
      config_sha256: configSha256,
      ...(problem !== undefined && { problem: problem.slice(0, 8192) }),
    }
    const turn = this.#telling.then(() =>
      usable(this.#path, () => writeFileAtomic(this.#path, `${JSON.stringify(report)}\n`, { mode: 0o600 })),
    )
    this.#telling = turn.catch(() => {})
    await turn
  }
}

/** What the egress of a cage said last; undefined when it runs no more, or has said nothing yet. */
export async function readInForce(stateFolder: string): Promise<InForce | undefined> {
  const bytes = await readPrivateFile(join(stateFolder, FILE), MAX_FILE)
  const parsed = inForceSchema.safeParse(parseJson(bytes))
  if (!parsed.success) return undefined
  const identity = parseIdentity(parsed.data.process)
  // An egress in a container is not ours to look up; whether it runs, systemd knows.
  return identity === undefined || identity.foreign || isAlive(identity, Date.now()) ? parsed.data : undefined
}

/** Milliseconds that an egress may take; making keys or asking a slow store is the longest. */
const PATIENCE_MS = 10_000
/** Where the file system reports no changes. */
const POLL_MS = 50

/**
 * Waits until what `isAnswer` recognises has been put in force. Throws `reload_failed` with the egress's reason when it
 * was refused, and when there is no answer.
 */
export async function awaitInForce(stateFolder: string, isAnswer: (report: InForce) => boolean): Promise<void> {
  if (await isInForce(stateFolder, isAnswer, PATIENCE_MS)) return
  throw new CageError('reload_failed', `the egress did not answer within ${PATIENCE_MS / 1000} s`, {
    hint: 'agentcage cage logs NAME -s proxy -s dns may say more.',
  })
}

/** As `awaitInForce`, for so many milliseconds: false when there is no answer by then. */
export async function isInForce(
  stateFolder: string,
  isAnswer: (report: InForce) => boolean,
  patience: number,
): Promise<boolean> {
  const news = newsOf(stateFolder)
  try {
    for (const end = Date.now() + patience; Date.now() < end;) {
      const report = await readInForce(stateFolder)
      if (report !== undefined && isAnswer(report)) {
        if (report.problem === undefined) return true
        throw new CageError('reload_failed', `the egress refuses the change: ${report.problem}`, {
          hint: 'What was in force before still is.',
        })
      }
      await news.next()
    }
    return false
  } finally {
    news.close()
  }
}

interface News {
  /** Resolves after the next change, or shortly. */
  next(): Promise<void>
  close(): void
}

function newsOf(folder: string): News {
  let changed = Promise.withResolvers<void>()
  const watcher = startWatch(folder, () => changed.resolve())
  return {
    async next() {
      const timer = setTimeout(() => changed.resolve(), POLL_MS)
      await changed.promise
      clearTimeout(timer)
      changed = Promise.withResolvers()
    },
    close: () => watcher?.close(),
  }
}

function startWatch(folder: string, onChange: () => void): ReturnType<typeof watch> | undefined {
  try {
    const watcher = watch(folder, onChange)
    return watcher.on('error', () => watcher.close())
  } catch {
    return undefined
  }
}

function parseJson(bytes: Buffer | undefined): unknown {
  if (bytes === undefined) return undefined
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}
