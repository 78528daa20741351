import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { WorkloadLimits } from '../isolation.ts'
import { requireProgram } from './launch-programs.ts'
import { namesOf, type Argv, type Holder, type Limit } from './limits-holder.ts'

/** Where this process stands in a hierarchy of control groups. */
export interface ControlGroup {
  readonly version: 1 | 2
  /** Absolute path of its folder. */
  readonly folder: string
}

/**
 * Makes control groups for the limits, below or beside our own: one where all controllers share a hierarchy (version 2),
 * one each where they do not (version 1). Limits whose group cannot be made are missing from `held`.
 */
export function makeControlGroups(limits: WorkloadLimits, facts: CgroupFacts = readFacts()): Holder {
  const name = `${prefixOfOurs()}${process.pid}-${randomBytes(4).toString('hex')}`
  const made = namesOf(limits).flatMap((limit) => {
    const own = ownControlGroup(limit, facts)
    if (own === undefined) return []
    const folder = makeGroup(own, name, (group) => writeLimit(group, own.version, limit, limits))
    return folder === undefined ? [] : [{ limit, folder }]
  })
  const folders = [...new Set(made.map(({ folder }) => folder))]
  return {
    held: new Set(made.map(({ limit }) => limit)),
    wrap: (argv) => (folders.length === 0 ? argv : enter(folders, argv)),
    environment: {},
    cleanup: async () => {
      for (const folder of folders) await removeGroup(folder)
    },
  }
}

export interface CgroupFacts {
  /** `/proc/self/cgroup` */
  readonly membership: string
  /** `/proc/self/mountinfo` */
  readonly mounts: string
}

/** The group of this process that the controller belongs to, or undefined when it cannot be reached from here. */
export function ownControlGroup(controller: Limit, { membership, mounts }: CgroupFacts): ControlGroup | undefined {
  const lines = membership.split('\n').map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
  const first = lines.find((line) => line?.[1]?.split(',').includes(controller))
  if (first?.[2] !== undefined) return locate(first[2], mounts, 1, controller)
  const unified = lines.find((line) => line?.[1] === '')
  return unified?.[2] === undefined ? undefined : locate(unified[2], mounts, 2, controller)
}

/** mountinfo: `id parent major:minor ROOT FOLDER options [tags…] - TYPE source SUPER_OPTIONS`. */
function locate(path: string, mounts: string, version: 1 | 2, controller: Limit): ControlGroup | undefined {
  for (const line of mounts.split('\n')) {
    const [before = '', after = ''] = line.split(' - ')
    const [, , , root = '', mounted = ''] = before.split(' ')
    const [type, , options = ''] = after.split(' ')
    if (type !== (version === 1 ? 'cgroup' : 'cgroup2')) continue
    if (version === 1 && !options.split(',').includes(controller)) continue
    if (path.startsWith('/..')) return undefined
    const below =
      root === '/' ? path : path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : undefined
    if (below !== undefined) return { version, folder: join(mounted, below) }
  }
  return undefined
}

/** In version 2 a group with processes of its own cannot have children with controllers, so that ours stands beside it. */
function makeGroup(
  { version, folder }: ControlGroup,
  name: string,
  limit: (group: string) => void,
): string | undefined {
  const parents = version === 1 ? [folder] : [folder, dirname(folder)]
  for (const parent of parents) {
    const group = join(parent, name)
    try {
      if (!existsSync(join(parent, 'cgroup.procs'))) continue
      removeLeftovers(parent)
      if (version === 2) passOnControllers(parent)
      mkdirSync(group, { recursive: true })
      limit(group)
      return group
    } catch {
      tryRemove(group) // Not writable, or without the controller: the next one may do.
    }
  }
  return undefined
}

function passOnControllers(parent: string): void {
  const control = join(parent, 'cgroup.subtree_control')
  const passedOn = readFileSync(control, 'latin1').split(/\s+/)
  const missing = readFileSync(join(parent, 'cgroup.controllers'), 'latin1')
    .split(/\s+/)
    .filter((controller) => CONTROLLERS.has(controller) && !passedOn.includes(controller))
  if (missing.length > 0) writeFileSync(control, missing.map((controller) => `+${controller}`).join(' '))
}

function writeLimit(folder: string, version: 1 | 2, limit: Limit, { memory, pids }: WorkloadLimits): void {
  if (limit === 'pids') return writeFileSync(join(folder, 'pids.max'), String(pids))
  writeFileSync(join(folder, version === 1 ? 'memory.limit_in_bytes' : 'memory.max'), String(memory))
  try {
    // Without swap, which would only make the limit slow. The files are missing where the kernel does not count swap.
    if (version === 1) writeFileSync(join(folder, 'memory.memsw.limit_in_bytes'), String(memory))
    else writeFileSync(join(folder, 'memory.swap.max'), '0')
  } catch {
    return
  }
}

/** $1…: folders up to `--`, then the command line. */
const ENTER = `
while test "$1" != --; do
  echo $$ >"$1/cgroup.procs" || exit 1
  shift
done
shift
exec "$@"
`

function enter(folders: readonly string[], argv: Argv): Argv {
  return [requireProgram('sh'), '-c', ENTER, 'agentcage', ...folders, '--', ...argv]
}

const CONTROLLERS: ReadonlySet<string> = new Set(['memory', 'pids'])

/** Groups of runs that were killed. A group with processes in it cannot be removed, so that no living one is hit. */
function removeLeftovers(parent: string): void {
  const prefix = prefixOfOurs()
  for (const name of readdirSync(parent).filter((entry) => entry.startsWith(prefix))) {
    const pid = /^[0-9]+/.exec(name.slice(prefix.length))?.[0]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) tryRemove(join(parent, name))
  }
}

/** With the namespace that process ids count in: who lives in another one is not to be seen from here, as in a container. */
function prefixOfOurs(): string {
  const namespace = /[0-9]+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? ''
  return `agentcage-ns${namespace}-`
}

/** The kernel may hold a group for a moment after its last process. */
async function removeGroup(folder: string): Promise<void> {
  for (let attempt = 0; attempt < 40 && !tryRemove(folder); attempt++) await delay(25)
}

function tryRemove(folder: string): boolean {
  try {
    rmdirSync(folder)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

function readFacts(): CgroupFacts {
  return { membership: readFileSync('/proc/self/cgroup', 'utf8'), mounts: readFileSync('/proc/self/mountinfo', 'utf8') }
}
