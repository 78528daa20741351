import { accessSync, constants, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Where host programs are looked for. `PATH` is not asked: it often holds a folder of the project
 * (`node_modules/.bin`), and what a workload put there must never run outside its cage.
 */
export const PROGRAM_FOLDERS = [
  '/usr/bin',
  '/usr/sbin',
  '/bin',
  '/sbin',
  '/usr/local/bin',
  '/usr/local/sbin',
  '/run/wrappers/bin',
  '/run/current-system/sw/bin',
] as const

/** The absolute path of a host program, or undefined when none of the system's folders has it. */
export function findProgram(name: string): string | undefined {
  return PROGRAM_FOLDERS.map((folder) => join(folder, name)).find(isExecutableFile)
}

/** The process ids of the children of `pid`, seen from our own process namespace; empty when it is gone. */
export function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
    )
  } catch {
    return childrenByScan(pid)
  }
}

/** The parent of `pid`, or undefined when it is gone. */
export function parentOf(pid: number): number | undefined {
  return statusNumbers(pid, 'PPid')?.[0]
}

/** The ids of `pid` in every process namespace it is a member of, ours first; undefined when it is gone. */
export function namespaceIdsOf(pid: number): readonly number[] | undefined {
  return statusNumbers(pid, 'NSpid')
}

/** Descriptors above standard error that a child would inherit: whoever started us left them open without close-on-exec. */
export function inheritableDescriptors(): readonly number[] {
  return readdirSync('/proc/self/fdinfo')
    .map(Number)
    .filter((descriptor) => descriptor > 2 && !closesOnExec(descriptor))
}

const O_CLOEXEC = 0o2000000

function closesOnExec(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1'))?.[1]
    return flags === undefined || (Number.parseInt(flags, 8) & O_CLOEXEC) !== 0
  } catch {
    return true
  }
}

function isExecutableFile(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** `/proc/PID/task/TID/children` needs CONFIG_PROC_CHILDREN; every kernel has `/proc/PID/status`. */
function childrenByScan(pid: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => parentOf(candidate) === pid)
}

function statusNumbers(pid: number, field: 'PPid' | 'NSpid'): readonly number[] | undefined {
  try {
    const line = new RegExp(`^${field}:(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
    return line?.trim().split(/\s+/).map(Number)
  } catch {
    return undefined
  }
}
