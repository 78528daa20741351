import { closeSync, constants, ftruncateSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { CageError } from '../errors.ts'
import { codeOf, reasonOf } from './failure.ts'
import { openOwn } from './open.ts'
import { rotatedFiles } from './rotated.ts'

/** A record that was on the disk: its hash, and where its line ends in the file that held it, in bytes. */
export interface Anchored {
  readonly hash: string
  readonly length: number
}

const FORM = /^([0-9a-f]{64}) (\d{15})\n$/
const DIGITS = 15

/** Beside the log. */
function anchorFile(log: string): string {
  return `${log}.head`
}

/**
 * Where a log had come to when it was last put on the disk. A chain cannot show that its end was cut off; this can. It is
 * one line that is written over in place, which takes no new room on a disk that is full.
 */
export class Anchor {
  readonly #fd: number

  private constructor(fd: number) {
    this.#fd = fd
  }

  static open(log: string): Anchor {
    return new Anchor(openOwn(anchorFile(log), constants.O_RDWR))
  }

  /** Call it when the record is on the disk, not before: an anchor that is ahead of its log would accuse it. */
  keep({ hash, length }: Anchored): void {
    try {
      writeSync(this.#fd, `${hash} ${String(length).padStart(DIGITS, '0')}\n`, 0)
    } catch {
      // The old one still holds: it says less.
    }
  }

  /** For a log that begins anew. */
  clear(): void {
    ftruncateSync(this.#fd)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** The last record that a log must hold; undefined where nothing is known. Throws `audit_unusable` when it cannot be read. */
export function readAnchor(log: string): Anchored | undefined {
  const file = anchorFile(log)
  const text = readIfThere(file)
  if (text === '') return undefined
  const [, hash, length] = FORM.exec(text) ?? []
  if (hash === undefined)
    throw new CageError('audit_unusable', `audit log: ${file} was changed: it is not as it was written`, {
      hint: `Keep it as evidence and go on without it: mv '${file}' '${file}.old'`,
    })
  return { hash, length: Number(length) }
}

/**
 * Throws `audit_unusable` when neither the log nor one of its older files holds the record. It is in the latest of them
 * unless it could not be kept since.
 */
export function requireAnchored(fd: number, log: string, anchored: Anchored | undefined): void {
  if (anchored === undefined || holds(fd, anchored)) return
  const older = rotatedFiles(log)
  if (older.toReversed().some((file) => isIn(file, anchored))) return
  throw new CageError('audit_unusable', `audit log ${log}: ${cutOff(anchored)}`, {
    hint:
      older.length === 0
        ? `Keep it as evidence and begin a new one: mv '${log}' '${log}.old'`
        : `Keep all of it as evidence and begin a new one: move it and its ${older.length} older files to another folder.`,
  })
}

export function cutOff({ hash }: Anchored): string {
  return `its end was cut off: the record with hash ${hash} is missing`
}

function isIn(file: string, anchored: Anchored): boolean {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    return holds(fd, anchored)
  } finally {
    closeSync(fd)
  }
}

function holds(fd: number, { hash, length }: Anchored): boolean {
  const expected = Buffer.from(`,"hash":"${hash}"}\n`)
  const found = Buffer.alloc(expected.length)
  return (
    length >= expected.length &&
    readSync(fd, found, 0, found.length, length - found.length) > 0 &&
    found.equals(expected)
  )
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return ''
    throw new CageError('audit_unusable', `audit log: ${file} cannot be read: ${reasonOf(error)}`, { cause: error })
  }
}
