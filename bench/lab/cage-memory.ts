/**
 * Runs in the lab as root and prints a `Memory` as JSON: cages by the services that their processes belong to. Proportional:
 * a page that several processes have counts in shares.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** In MB (10^6), of one cage, the mean of all that run. */
export interface Memory {
  readonly proxy: number
  readonly dns: number
  /** Podman's monitors of the three containers. */
  readonly around: number
  readonly beside: number
  readonly resident: number
  readonly agent: number
  /** What Podman keeps for all of this user's containers together. */
  readonly shared: number
}

const processes = readdirSync('/proc')
  .filter((name) => /^\d+$/.test(name))
  .flatMap(readProcess)
const cages = processes.filter(({ part, isMonitor }) => part === 'proxy' && !isMonitor).length
if (cages === 0) throw new Error('no cage runs')
const beside = processes.filter(({ part, isMonitor }) => part !== 'shared' && (isMonitor || part !== 'cage'))
const memory: Memory = {
  proxy: mean(processes.filter(({ part, isMonitor }) => part === 'proxy' && !isMonitor)),
  dns: mean(processes.filter(({ part, isMonitor }) => part === 'dns' && !isMonitor)),
  around: mean(processes.filter(({ part, isMonitor }) => part !== 'shared' && isMonitor)),
  beside: mean(beside),
  resident: beside.reduce((sum, { resident }) => sum + resident, 0) / cages,
  agent: mean(processes.filter(({ part, isMonitor }) => part === 'cage' && !isMonitor)),
  shared: mean(processes.filter(({ part }) => part === 'shared')) * cages,
}
process.stdout.write(JSON.stringify(memory))

interface Process {
  readonly part: 'proxy' | 'dns' | 'cage' | 'shared'
  readonly isMonitor: boolean
  readonly proportional: number
  readonly resident: number
}

function readProcess(pid: string): readonly Process[] {
  try {
    const program = readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
    const service = /\/bench\d+-(proxy|dns|cage)\.service/.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1]
    const isShared = ['pasta', 'pasta.avx2', 'catatonit', 'aardvark-dns'].includes(program)
    if (service === undefined && !isShared) return []
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
    const part = isShared ? 'shared' : (service as Process['part'])
    return [{ part, isMonitor: program === 'conmon', proportional: read(text, 'Pss'), resident: read(text, 'Rss') }]
  } catch (error) {
    // It has ended meanwhile, or is one of the kernel's own.
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ESRCH', 'EACCES'].includes(String(error.code)))
      return []
    throw error
  }
}

function read(text: string, field: string): number {
  return (Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(text)?.[1]) * 1024) / 1e6
}

function mean(of: readonly Process[]): number {
  return of.reduce((sum, { proportional }) => sum + proportional, 0) / cages
}
