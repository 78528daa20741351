import { closeSync, existsSync, fstatSync, fsync, fsyncSync, ftruncateSync, statSync } from 'node:fs'
import { promisify } from 'node:util'
import { CageError } from '../errors.ts'
import type { FileLock } from '../system/file-lock.ts'
import { Anchor, readAnchor, requireAnchored } from './anchor.ts'
import { Batch } from './batch.ts'
import { explained, reasonOf } from './failure.ts'
import { Health, type Failure } from './health.ts'
import { formatLine } from './line.ts'
import { lockLog } from './lock.ts'
import { openLog, preparePlace } from './open.ts'
import type { AuditEvent, AuditSink, Decision } from './record.ts'
import { endOfChain, rotateLog } from './rotate.ts'
import { rotatedFiles } from './rotated.ts'
import { recoverTail, writeFully, type Tail } from './tail.ts'
import { systemClock, Timestamps, type Clock } from './timestamp.ts'

export interface AuditLogOptions {
  /** Name of the cage, as it stands in every record. */
  readonly cage: string
  readonly clock?: Clock
  /** Bytes; a log that would become larger goes on in a new file. */
  readonly maxBytes?: number
}

const MAX_BYTES = 128 * 1024 * 1024

/** A disk that takes this much takes the next records. */
const PROBE = Buffer.alloc(65_536, ' ')
const BUFFER_BYTES = 32_768

const syncFile = promisify(fsync)

/**
 * The audit log of a cage: one JSON line for each exchange, each naming the hash of the one before. It has one writer
 * (`lock.ts`), and `append` returns only when the line is with the kernel; the disk gets it within a second.
 */
export class AuditLog implements AuditSink {
  readonly path: string
  /** Where a line that an earlier writer had left unfinished was put. */
  readonly tornFile: string | undefined
  readonly #cage: string
  readonly #timestamps: Timestamps
  readonly #lock: FileLock
  readonly #anchor: Anchor
  readonly #ticks: NodeJS.Timeout
  readonly #maxBytes: number
  /** The length at which it goes on in a new file. */
  #rotateAt: number
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
  readonly #counts: Record<Decision, number> = { allowed: 0, flagged: 0, blocked: 0 }
  readonly #batch = new Batch((events) => this.#write(events))
  readonly #health: Health
  #fd: number
  /** Where the next record begins, in bytes, and what it follows. */
  #length: number
  #prev: string
  #unsynced = false
  #syncing: Promise<void> | undefined

  private constructor(path: string, parts: LogParts) {
    const { fd, lock, anchor, tail, options } = parts
    this.path = path
    this.tornFile = tail.tornFile
    this.#cage = options.cage
    const clock = options.clock ?? systemClock
    this.#health = new Health(clock)
    this.#timestamps = new Timestamps(clock, tail.last)
    this.#lock = lock
    this.#anchor = anchor
    this.#maxBytes = options.maxBytes ?? MAX_BYTES
    this.#rotateAt = this.#maxBytes
    this.#fd = fd
    this.#length = tail.length
    this.#prev = tail.prev
    this.#ticks = setInterval(() => this.#tick(), 1000).unref()
  }

  /** Opens or makes the log at `path`. Throws `audit_unusable` when it cannot be written safely or somebody else writes it. */
  static open(path: string, options: AuditLogOptions): AuditLog {
    return explained(`audit log ${path} cannot be opened`, () => {
      preparePlace(path)
      const lock = lockLog(path)
      try {
        return AuditLog.#openLocked(path, lock, options)
      } catch (error) {
        lock.release()
        throw error
      }
    })
  }

  static #openLocked(path: string, lock: FileLock, options: AuditLogOptions): AuditLog {
    using opened = new DisposableStack()
    const begins = !existsSync(path) && rotatedFiles(path).length === 0
    const fd = opened.adopt(openLog(path), closeSync)
    const anchor = opened.adopt(Anchor.open(path), (file) => file.close())
    if (begins) anchor.clear()
    recoverTail(fd, path, { repair: false }) // A last line that is wrong is named first.
    requireAnchored(fd, path, readAnchor(path))
    const log = new AuditLog(path, { fd, lock, anchor, tail: endOfChain(fd, path), options })
    opened.move()
    return log
  }

  /** Records written since the log was opened. */
  get counts(): Readonly<Record<Decision, number>> {
    return this.#counts
  }

  /** Writes one record. Throws `audit_unusable` if it could not be; then the log is as it was before. */
  append(event: AuditEvent): void {
    this.#write([event])
  }

  /** Like `append`, in one write with whatever else is recorded in this turn of the event loop. */
  appendSoon(event: AuditEvent): Promise<void> {
    return this.#batch.add(event)
  }

  /** Whether the next record can be written. After a failure it tries, at most once a second, whether there is room again. */
  usable(): boolean {
    if (this.#health.isGood) return true
    this.#health.mendWith(() => this.#mend())
    return this.#health.isGood
  }

  /** Puts everything on the disk and gives the log to the next writer. May be called twice. */
  async close(): Promise<void> {
    if (this.#fd === -1) return
    this.#batch.flush()
    clearInterval(this.#ticks)
    const fd = this.#fd
    this.#fd = -1
    this.#health.fail({ problem: 'it is closed', mendable: false })
    await this.#syncing
    explained(`audit log ${this.path} cannot be closed`, () => {
      try {
        fsyncSync(fd)
        this.#keepAnchor(this.#prev, this.#length)
      } finally {
        closeSync(fd)
        this.#anchor.close()
        this.#lock.release()
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** All of them or none. */
  #write(events: readonly AuditEvent[]): void {
    if (!this.usable()) throw this.#unusable()
    let lines = ''
    let prev = this.#prev
    for (const event of events) {
      const { line, hash } = formatLine(event, { ts: this.#timestamps.next(), cage: this.#cage, prev })
      lines += line
      prev = hash
    }
    const bytes = this.#encode(lines)
    if (this.#length > 0 && this.#length + bytes.length > this.#rotateAt) this.#rotate()
    try {
      writeFully(this.#fd, bytes)
    } catch (error) {
      this.#health.fail({ problem: reasonOf(error), mendable: true })
      this.#cutTorn()
      throw this.#unusable(error)
    }
    this.#length += bytes.length
    this.#prev = prev
    for (const { decision } of events) this.#counts[decision] += 1
    this.#unsynced = true
  }

  /** Where there is no new file to be had, the old one grows on: a bound on its size is no reason to deny. */
  #rotate(): void {
    try {
      const next = rotateLog(this.#fd, this.path)
      const old = this.#fd
      this.#keepAnchor(this.#prev, this.#length)
      this.#fd = next
      this.#length = 0
      this.#rotateAt = this.#maxBytes
      closeSoon(old, this.#syncing)
    } catch (error) {
      this.#rotateAt = this.#length + this.#maxBytes
      if (statSync(this.path, { throwIfNoEntry: false })?.ino !== fstatSync(this.#fd).ino) {
        this.#health.fail({ problem: reasonOf(error), mendable: false })
        throw this.#unusable(error)
      }
    }
  }

  #encode(lines: string): Buffer {
    if (lines.length * 3 > BUFFER_BYTES) return Buffer.from(lines)
    return this.#buffer.subarray(0, this.#buffer.write(lines))
  }

  #unusable(cause?: unknown): CageError {
    const hint = 'Requests are denied until it can be written again.'
    return new CageError('audit_unusable', `audit log ${this.path} cannot be written: ${this.#health.problem}`, {
      hint,
      cause,
    })
  }

  /** What a failed write left of a line. If it cannot be cut off now, `#mend` does it before the next record. */
  #cutTorn(): void {
    try {
      ftruncateSync(this.#fd, this.#length)
    } catch (error) {
      this.#health.fail({ problem: reasonOf(error), mendable: true })
    }
  }

  /** Writes a probe and cuts it off again, with whatever a failed write had left. Returns what still fails. */
  #mend(): Failure | undefined {
    try {
      if (fstatSync(this.#fd).size < this.#length) return { problem: 'something cut it off', mendable: false }
      ftruncateSync(this.#fd, this.#length)
      try {
        writeFully(this.#fd, PROBE)
      } finally {
        ftruncateSync(this.#fd, this.#length)
      }
      return undefined
    } catch (error) {
      return { problem: reasonOf(error), mendable: true }
    }
  }

  #tick(): void {
    try {
      const problem = this.#ownershipProblem()
      if (problem !== undefined) this.#health.fail({ problem, mendable: false })
      else this.#lock.refresh()
    } catch (error) {
      this.#health.fail({ problem: reasonOf(error), mendable: false })
    }
    if (this.#unsynced && this.#syncing === undefined) this.#syncing = this.#sync()
  }

  /** Off the hot path: the disk may take its time, and requests need not wait for it. */
  async #sync(): Promise<void> {
    this.#unsynced = false
    const { fd, prev, length } = { fd: this.#fd, prev: this.#prev, length: this.#length }
    try {
      await syncFile(fd)
      // After a change of files, and after the end, more was kept already.
      if (fd === this.#fd) this.#keepAnchor(prev, length)
    } catch (error) {
      if (this.#fd !== -1) this.#health.fail({ problem: reasonOf(error), mendable: true })
    } finally {
      this.#syncing = undefined
    }
  }

  #keepAnchor(hash: string, length: number): void {
    if (length > 0) this.#anchor.keep({ hash, length })
  }

  /** Records that go to a file which was deleted, replaced or shared are as good as not written. */
  #ownershipProblem(): string | undefined {
    const own = fstatSync(this.#fd)
    const named = statSync(this.path, { throwIfNoEntry: false })
    if (named?.ino !== own.ino || named.dev !== own.dev) return 'the file was moved or deleted'
    if (!this.#lock.held()) return 'its lock was taken away'
    if (this.#health.isGood && own.size !== this.#length) return 'something else wrote to it'
    return undefined
  }
}

/** A sync under way still needs the descriptor. */
function closeSoon(fd: number, syncing: Promise<void> | undefined): void {
  if (syncing === undefined) closeSync(fd)
  else void syncing.then(() => closeSync(fd))
}

interface LogParts {
  readonly fd: number
  readonly lock: FileLock
  readonly anchor: Anchor
  readonly tail: Tail
  readonly options: AuditLogOptions
}
