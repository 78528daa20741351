import { randomInt } from 'node:crypto'
import { lstatSync, lutimesSync, readdirSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isErrno } from './files.ts'
import { identifySelf, isAlive, parseIdentity, type ProcessIdentity } from './process-identity.ts'

const ATTEMPTS = 200
const CLAIM = '.claim-'

/** Another process has the lock. */
export class FileInUseError extends Error {
  override readonly name = 'FileInUseError'
  readonly lock: string
  readonly holder: ProcessIdentity

  constructor(lock: string, holder: ProcessIdentity) {
    super(`${lock} is held by process ${holder.pid}${holder.foreign ? ' of another container' : ''}`)
    this.lock = lock
    this.holder = holder
  }
}

/** The lock cannot be taken, whoever holds it. `mend` is what a person can do about it. */
export class LockUnusableError extends Error {
  override readonly name = 'LockUnusableError'
  readonly mend: string

  constructor(message: string, mend: string) {
    super(message)
    this.mend = mend
  }
}

/** That this process is the one writer of a file. Node has no flock(2), so a symbolic link beside the file says who writes. */
export interface FileLock {
  /** Says that the holder lives, to processes that cannot see it. Call it more often than every ten seconds. */
  refresh(): void
  /** Whether the lock is still this process's. */
  held(): boolean
  release(): void
}

/**
 * Takes the lock of `file`, `file.lock`, or throws a FileInUseError naming the process that has it. A symbolic link is made with its
 * contents in one step and fails when the name is taken (symlink(2), EEXIST), so a lock is never seen half written.
 */
export function lockFile(file: string): FileLock {
  const path = `${file}.lock`
  const self = identifySelf()
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (makeLink(self.text, path)) return heldLock(path, self)
    const holder = readHolder(path)
    if (holder === undefined) continue
    if (isAlive(holder.identity, holder.refreshed)) throw new FileInUseError(path, holder.identity)
    removeStale(path, self)
  }
  throw new LockUnusableError(`${path} changes hands all the time`, 'Try again.')
}

function heldLock(path: string, self: ProcessIdentity): FileLock {
  const held = (): boolean => readHolder(path)?.identity.text === self.text
  return {
    held,
    refresh: () => lutimesSync(path, new Date(), new Date()),
    release: () => {
      if (held()) unlinkSync(path)
    },
  }
}

/**
 * Removes a lock whose holder is dead. Of two processes that find it, one could remove the lock that the other has just
 * taken; so a remover first puts up a claim, and acts only while it sees no claim but its own. Each claim is named
 * after its process, hence a dead one's can be removed by anybody without a race.
 */
function removeStale(path: string, self: ProcessIdentity): void {
  const claim = `${path}${CLAIM}${self.text}`
  if (!makeLink(self.text, claim)) return pause()
  try {
    if (otherClaims(path, claim) > 0) return pause()
    const holder = readHolder(path)
    if (holder !== undefined && !isAlive(holder.identity, holder.refreshed)) unlinkSync(path)
  } finally {
    unlinkSync(claim)
  }
}

function otherClaims(path: string, own: string): number {
  const prefix = `${basename(path)}${CLAIM}`
  const claims = readdirSync(dirname(path)).filter((name) => name.startsWith(prefix))
  return claims.filter((name) => {
    const claim = join(dirname(path), name)
    if (claim === own) return false
    const holder = readHolder(claim)
    if (holder === undefined || isAlive(holder.identity, holder.refreshed)) return holder !== undefined
    removeIfThere(claim)
    return false
  }).length
}

function makeLink(target: string, path: string): boolean {
  try {
    symlinkSync(target, path)
    return true
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false
    throw error
  }
}

interface Holder {
  readonly identity: ProcessIdentity
  /** Milliseconds since 1970. */
  readonly refreshed: number
}

/** Undefined when there is no lock (any more). Throws when something else has its name: that is not ours to remove. */
function readHolder(path: string): Holder | undefined {
  try {
    const refreshed = lstatSync(path).mtimeMs
    const identity = parseIdentity(readlinkSync(path))
    if (identity !== undefined) return { identity, refreshed }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    if (!isErrno(error, 'EINVAL')) throw error
  }
  throw new LockUnusableError(`${path} is not a lock of agentcage`, 'Move it away and try again.')
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
}

/** Lets the other claimant go first; random, so that two do not stay in step. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, randomInt(1, 10))
}
