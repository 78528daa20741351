import { CageError } from '../../errors.ts'
import { CREATES, MODE_CALLS, SET_ID, UNSEEN_MODE_CALLS, type ModeCalls } from '../process/set-id.ts'

/** A profile in the form of containers/common's pkg/seccomp; what is not named here is kept as it is. */
interface Profile {
  readonly defaultAction: string
  readonly syscalls: readonly Entry[]
}

interface Entry {
  readonly names: readonly string[]
  readonly action: string
  readonly args?: readonly Comparison[] | null | undefined
  readonly errnoRet?: number
}

interface Comparison {
  readonly index: number
  /** The mask, for SCMP_CMP_MASKED_EQ. */
  readonly value: number
  readonly valueTwo: number
  readonly op: string
}

const [EPERM, ENOSYS] = [1, 38]

/** What a call gets that is not made. Every other action lets it through, or may. */
const REFUSALS: ReadonlySet<string> = new Set([
  'SCMP_ACT_ERRNO',
  'SCMP_ACT_KILL',
  'SCMP_ACT_KILL_PROCESS',
  'SCMP_ACT_KILL_THREAD',
  'SCMP_ACT_TRAP',
])

/**
 * Podman's seccomp profile in `text` without the calls by which files become set-user-ID or set-group-ID (process/set-id.ts);
 * whatever else it says stays. Throws `host_unsupported` for what is no list of allowed calls.
 */
export function profileWithoutSetId(text: string, path: string): string {
  const profile = parseProfile(text, path)
  const syscalls: readonly Entry[] = [
    ...profile.syscalls.flatMap(harmlessOf),
    ...MODE_CALLS.flatMap(({ calls, ...rest }) =>
      harmful(rest).map((args) => ({ names: calls, action: 'SCMP_ACT_ERRNO', errnoRet: EPERM, args })),
    ),
    { names: UNSEEN_MODE_CALLS, action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
  ]
  return `${JSON.stringify({ ...profile, syscalls })}\n`
}

function parseProfile(text: string, path: string): Profile {
  let profile: unknown
  try {
    profile = JSON.parse(text)
  } catch {
    throw unusable(path, 'it is no JSON')
  }
  if (!isProfile(profile)) throw unusable(path, 'it is no list of system calls')
  if (!REFUSALS.has(profile.defaultAction)) throw unusable(path, 'it allows what it does not name')
  return profile
}

function isProfile(value: unknown): value is Profile {
  const { defaultAction, syscalls } = fieldsOf(value)
  return typeof defaultAction === 'string' && Array.isArray(syscalls) && syscalls.every(isEntry)
}

function isEntry(value: unknown): value is Entry {
  const { names, action, args } = fieldsOf(value)
  const isNamed = Array.isArray(names) && names.every((name) => typeof name === 'string')
  return isNamed && typeof action === 'string' && (args === undefined || args === null || Array.isArray(args))
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function unusable(path: string, reason: string): CageError {
  return new CageError('host_unsupported', `the seccomp profile ${path} cannot be used: ${reason}`, {
    hint: 'Put back the one that Podman comes with, or take seccomp_profile out of containers.conf.',
  })
}

/** What an entry lets through, without the bits; calls that it lets through on conditions of its own, not at all. */
function harmlessOf(entry: Entry): readonly Entry[] {
  if (REFUSALS.has(entry.action)) return [entry]
  const guarded = [...MODE_CALLS.flatMap(({ calls }) => calls), ...UNSEEN_MODE_CALLS] as readonly string[]
  const others = { ...entry, names: entry.names.filter((name) => !guarded.includes(name)) }
  const isConditional = (entry.args ?? []).length > 0
  const rest = isConditional ? [] : MODE_CALLS.flatMap((calls) => harmlessCalls(entry, calls))
  return [others, ...rest].filter(({ names }) => names.length > 0)
}

function harmlessCalls(entry: Entry, { calls, mode, flags }: ModeCalls): readonly Entry[] {
  const names = calls.filter((call) => entry.names.includes(call))
  const plain = [masked(mode, SET_ID, 0)]
  if (flags === undefined) return [{ ...entry, names, args: plain }]
  // No two of them hold at once: libseccomp makes a tree of them.
  return [
    { ...entry, names, args: [masked(flags, CREATES, 0)] },
    ...partsOf(CREATES).map((part) => ({ ...entry, names, args: [masked(flags, CREATES, part), ...plain] })),
  ]
}

/** Every condition under which a call is given one of the bits and they count; all of one condition have to hold. */
function harmful({ mode, flags }: Omit<ModeCalls, 'calls'>): readonly (readonly Comparison[])[] {
  const bits = partsOf(SET_ID).map((part) => masked(mode, SET_ID, part))
  if (flags === undefined) return bits.map((bit) => [bit])
  return partsOf(CREATES).flatMap((part) => bits.map((bit) => [masked(flags, CREATES, part), bit]))
}

/** Of two bits: each of them, and both. */
function partsOf(mask: number): readonly number[] {
  const low = mask & -mask
  return [low, mask ^ low, mask]
}

/** The high half of the argument is masked away: the kernel looks at the low one only. */
function masked(index: number, value: number, valueTwo: number): Comparison {
  return { index, value, valueTwo, op: 'SCMP_CMP_MASKED_EQ' }
}
