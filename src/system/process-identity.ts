import { readFileSync, readlinkSync } from 'node:fs'

/** A process so named that no other, earlier or later, has the same name: pids are used again. */
export interface ProcessIdentity {
  readonly pid: number
  /** The whole identity as one path component: `PID-START-BOOT-NAMESPACE`. */
  readonly text: string
  /** Whether it lives in another PID namespace, where its pid means nothing to us. */
  readonly foreign: boolean
}

/** A process that cannot be seen is taken for dead when it has not refreshed its lock for so long. */
const SILENCE_MILLISECONDS = 10_000

const IDENTITY = /^([1-9]\d{0,9})-(\d{1,20})-([0-9a-f]{0,32})-(\d{0,20})$/

export function identifySelf(): ProcessIdentity {
  const start = startTime(process.pid) ?? '0'
  return { pid: process.pid, text: `${process.pid}-${start}-${bootId()}-${pidNamespace()}`, foreign: false }
}

export function parseIdentity(text: string): ProcessIdentity | undefined {
  const [, pid, , , namespace] = IDENTITY.exec(text) ?? []
  if (pid === undefined) return undefined
  return { pid: Number(pid), text, foreign: namespace !== pidNamespace() }
}

/** Whether the process still runs. `refreshed`: when it last gave a sign of life, in milliseconds since 1970. */
export function isAlive({ pid, text, foreign }: ProcessIdentity, refreshed: number): boolean {
  const [, , start, boot] = IDENTITY.exec(text) ?? []
  if (boot !== bootId()) return false
  if (foreign) return Date.now() - refreshed < SILENCE_MILLISECONDS
  const now = startTime(pid)
  return now === undefined ? !hasProc() && answersSignal(pid) : now === start
}

/**
 * Clock ticks from boot to the start of the process (proc(5), /proc/PID/stat, field 22). Undefined when it is gone, or
 * dead and not yet reaped. The name in field 2 may hold spaces and parentheses: fields are counted from its last `)`.
 */
function startTime(pid: number): string | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`)
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields?.[0] === 'Z' || fields?.[0] === 'X' ? undefined : fields?.[19]
}

function bootId(): string {
  return (readIfThere('/proc/sys/kernel/random/boot_id') ?? '').trim().replaceAll('-', '')
}

function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? ''
  } catch {
    return ''
  }
}

function hasProc(): boolean {
  return readIfThere('/proc/self/stat') !== undefined
}

/** Systems without /proc. Signal 0 is sent to nobody; EPERM says that somebody is there. */
function answersSignal(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
