import { assemble, type Step } from './bpf.ts'
import { CREATES, MODE_CALLS, SET_ID, UNSEEN_MODE_CALLS, type ModeCalls } from './set-id.ts'
import {
  AUDIT_ARCHITECTURE,
  NEWEST_SYSCALL,
  X32_BIT,
  syscallNumber,
  type Architecture,
  type SyscallName,
} from './syscalls.ts'

/** What the workload gets in place of the system call. */
type Answer = 'EPERM' | 'ENOSYS' | 'EAFNOSUPPORT'

/**
 * A condition on one argument. Only its low 32 bits are looked at, because the kernel takes these arguments as 32-bit
 * numbers: a comparison of all 64 was passed by setting a high bit (CVE-2019-10063).
 */
type Condition =
  | { readonly argument: number; readonly anyBit: number }
  | { readonly argument: number; readonly mask?: number; readonly in: readonly number[] }
  | { readonly argument: number; readonly mask?: number; readonly notIn: readonly number[] }

/** Calls that are answered in place of being made: always, or when all conditions hold. */
export interface Rule {
  readonly calls: readonly SyscallName[]
  readonly answer: Answer
  readonly when?: readonly Condition[]
}

const ERRNO: Readonly<Record<Answer, number>> = { EPERM: 1, ENOSYS: 38, EAFNOSUPPORT: 97 }

/** linux/seccomp.h */
const KILL_PROCESS = 0x8000_0000
const ALLOW = 0x7fff_0000
const ERROR = 0x0005_0000

/** struct seccomp_data {int nr; u32 arch; u64 instruction_pointer; u64 args[6]} */
const NUMBER_OFFSET = 0
const ARCHITECTURE_OFFSET = 4
const argumentOffset = (index: number): number => 16 + 8 * index

/** linux/sched.h: NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const CLONE_NEW = 0x7e02_0000
/** A namespace flag for unshare(2) only; for clone(2) the bit is part of the exit signal. */
const CLONE_NEWTIME = 0x80

const [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK] = [1, 2, 10, 16]
const [SOCK_RAW, SOCK_PACKET, SOCK_TYPE_MASK] = [3, 10, 0xf]
const NETLINK_ROUTE = 0

/** asm-generic/ioctls.h, the same on x86_64 and aarch64. */
const [TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD] = [0x5412, 0x541c, 0x541d, 0x5423]

/** linux/personality.h: as it is (0), ask only (~0), without randomised addresses (debuggers, sanitizers). */
const PERSONALITIES = [0, 0xffff_ffff, 0x004_0000]

const FILE_TYPE_MASK = 0o170000
const [CHARACTER_DEVICE, BLOCK_DEVICE] = [0o020000, 0o060000]

/**
 * What the workload may not ask of the kernel. The namespaces and the missing capabilities forbid much of this already;
 * the filter keeps it from code of the kernel that has been a way out before, and holds when one of the others does not.
 */
export const RULES: readonly Rule[] = [
  // No mode may pass unseen. io_uring is large and a source of escapes besides. ENOSYS, so that programs fall back to what
  // they used before.
  { calls: UNSEEN_MODE_CALLS, answer: 'ENOSYS' },
  // Large or young, and a source of escapes.
  { calls: ['bpf', 'userfaultfd', 'perf_event_open', 'modify_ldt', 'fanotify_init'], answer: 'EPERM' },
  // Keyrings are not kept apart by any namespace but the user's.
  { calls: ['keyctl', 'add_key', 'request_key'], answer: 'EPERM' },
  // Other processes' memory and descriptors.
  { calls: ['ptrace', 'process_vm_readv', 'process_vm_writev', 'pidfd_getfd', 'kcmp'], answer: 'EPERM' },
  // Mounts: what is masked stays masked, what is read-only stays so.
  { calls: ['mount', 'umount2', 'pivot_root', 'chroot'], answer: 'EPERM' },
  {
    calls: ['fsopen', 'fsconfig', 'fsmount', 'fspick', 'move_mount', 'open_tree', 'open_tree_attr', 'mount_setattr'],
    answer: 'EPERM',
  },
  // Namespaces. A filter cannot follow clone3's pointer; without clone3, C libraries use clone.
  { calls: ['setns'], answer: 'EPERM' },
  { calls: ['unshare'], answer: 'EPERM', when: [{ argument: 0, anyBit: CLONE_NEW | CLONE_NEWTIME }] },
  { calls: ['clone'], answer: 'EPERM', when: [{ argument: 0, anyBit: CLONE_NEW }] },
  { calls: ['clone3'], answer: 'ENOSYS' },
  // File handles reach files outside of the mounts (the "shocker" escape).
  { calls: ['open_by_handle_at', 'name_to_handle_at', 'lookup_dcookie'], answer: 'EPERM' },
  {
    calls: ['mknod'],
    answer: 'EPERM',
    when: [{ argument: 1, mask: FILE_TYPE_MASK, in: [CHARACTER_DEVICE, BLOCK_DEVICE] }],
  },
  {
    calls: ['mknodat'],
    answer: 'EPERM',
    when: [{ argument: 2, mask: FILE_TYPE_MASK, in: [CHARACTER_DEVICE, BLOCK_DEVICE] }],
  },
  // See set-id.ts.
  ...MODE_CALLS.map(withoutSetId),
  // The machine itself.
  {
    calls: ['init_module', 'finit_module', 'delete_module', 'kexec_load', 'kexec_file_load', 'reboot'],
    answer: 'EPERM',
  },
  { calls: ['swapon', 'swapoff', 'acct', 'quotactl', 'quotactl_fd', 'syslog', 'vhangup'], answer: 'EPERM' },
  { calls: ['settimeofday', 'clock_settime', 'clock_adjtime', 'adjtimex'], answer: 'EPERM' },
  { calls: ['sethostname', 'setdomainname', 'iopl', 'ioperm', 'uselib', 'nfsservctl'], answer: 'EPERM' },
  { calls: ['personality'], answer: 'EPERM', when: [{ argument: 0, notIn: PERSONALITIES }] },
  // Sockets other than the ones a program needs: no packets past the egress, no way to a hypervisor (AF_VSOCK), to the
  // kernel's cryptography (AF_ALG) or to rarely used protocols.
  {
    calls: ['socket', 'socketpair'],
    answer: 'EAFNOSUPPORT',
    when: [{ argument: 0, notIn: [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK] }],
  },
  {
    calls: ['socket'],
    answer: 'EPERM',
    when: [
      { argument: 0, in: [AF_INET, AF_INET6] },
      { argument: 1, mask: SOCK_TYPE_MASK, in: [SOCK_RAW, SOCK_PACKET] },
    ],
  },
  // Reading addresses and routes is what libraries do; changing them takes a capability that the workload lacks.
  {
    calls: ['socket'],
    answer: 'EAFNOSUPPORT',
    when: [
      { argument: 0, in: [AF_NETLINK] },
      { argument: 2, notIn: [NETLINK_ROUTE] },
    ],
  },
  // Putting input into the terminal that agentcage runs in, as if its user had typed it (CVE-2017-5226, CVE-2023-28100).
  { calls: ['ioctl'], answer: 'EPERM', when: [{ argument: 1, in: [TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD] }] },
]

function withoutSetId({ calls, mode, flags }: ModeCalls): Rule {
  const creates = flags === undefined ? [] : [{ argument: flags, anyBit: CREATES }]
  return { calls, answer: 'EPERM', when: [...creates, { argument: mode, anyBit: SET_ID }] }
}

/**
 * The filter for bubblewrap's `--seccomp`, as bytes. Another machine's calls (32-bit programs) and the x32 ABI end the
 * process with SIGSYS, because their numbers mean other calls. Calls younger than the table get ENOSYS.
 */
export function seccompProgram(architecture: Architecture, rules: readonly Rule[] = RULES): Buffer {
  return assemble([
    { op: 'load', offset: ARCHITECTURE_OFFSET },
    { op: 'jump', when: 'eq', value: AUDIT_ARCHITECTURE[architecture], no: 'kill' },
    { op: 'load', offset: NUMBER_OFFSET },
    { op: 'jump', when: 'ge', value: X32_BIT, yes: 'kill' },
    { op: 'jump', when: 'gt', value: NEWEST_SYSCALL, yes: 'ENOSYS' },
    ...dispatch(architecture, rules),
    { op: 'label', name: 'allow' },
    { op: 'return', value: ALLOW },
    { op: 'label', name: 'kill' },
    { op: 'return', value: KILL_PROCESS },
    ...(['EPERM', 'ENOSYS', 'EAFNOSUPPORT'] as const).flatMap((answer): readonly Step[] => [
      { op: 'label', name: answer },
      { op: 'return', value: ERROR | ERRNO[answer] },
    ]),
  ])
}

/** The architecture of this machine as seccomp names it, or undefined when the filter does not know it. */
export function machineArchitecture(machine: string = process.arch): Architecture | undefined {
  if (machine === 'x64') return 'x86_64'
  if (machine === 'arm64') return 'aarch64'
  return undefined
}

/** A jump for each call, then the rules of the calls that have conditions, each call's after the other. */
function dispatch(architecture: Architecture, rules: readonly Rule[]): readonly Step[] {
  const calls = [...new Set(rules.flatMap((rule) => rule.calls))]
  const jumps: Step[] = []
  const bodies: Step[] = []
  for (const call of calls) {
    const number = syscallNumber(call, architecture)
    if (number === undefined) continue
    const own = rules.filter((rule) => rule.calls.includes(call))
    const always = own.find((rule) => conditionsOf(rule).length === 0)
    jumps.push({ op: 'jump', when: 'eq', value: number, yes: always?.answer ?? call })
    if (always === undefined)
      bodies.push(
        { op: 'label', name: call },
        ...own.flatMap((rule, index) => body(rule, `${call} ${index}`)),
        toAllow(),
      )
  }
  return [...jumps, toAllow(), ...bodies]
}

function body(rule: Rule, name: string): readonly Step[] {
  return [
    ...conditionsOf(rule).flatMap((condition, index) => test(condition, `${name} ${index} holds`, `${name} fails`)),
    { op: 'jump', when: 'ge', value: 0, yes: rule.answer },
    { op: 'label', name: `${name} fails` },
  ]
}

/** Goes on after the steps when the condition holds, to `fails` when not. */
function test(condition: Condition, holds: string, fails: string): readonly Step[] {
  const load: Step = { op: 'load', offset: argumentOffset(condition.argument) }
  if ('anyBit' in condition) return [load, { op: 'jump', when: 'set', value: condition.anyBit, no: fails }]
  const masked: readonly Step[] = condition.mask === undefined ? [load] : [load, { op: 'and', mask: condition.mask }]
  if ('in' in condition) {
    const matches = condition.in.map((value): Step => ({ op: 'jump', when: 'eq', value, yes: holds }))
    return [...masked, ...matches, { op: 'jump', when: 'ge', value: 0, yes: fails }, { op: 'label', name: holds }]
  }
  return [...masked, ...condition.notIn.map((value): Step => ({ op: 'jump', when: 'eq', value, yes: fails }))]
}

/** Every number is at least 0. */
function toAllow(): Step {
  return { op: 'jump', when: 'ge', value: 0, yes: 'allow' }
}

function conditionsOf(rule: Rule): readonly Condition[] {
  return rule.when ?? []
}
