/*
 * What the seccomp filter answers, call by call, for both machines: the program's bytes are run by an interpreter.
 * Only low halves of arguments count, so high bits neither hide a forbidden value (CVE-2019-10063) nor forbid a good one.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { RULES, machineArchitecture, seccompProgram } from '../../../src/isolation/process/seccomp.ts'
import {
  AUDIT_ARCHITECTURE,
  NEWEST_SYSCALL,
  SYSCALLS,
  X32_BIT,
  syscallNumber,
  type Architecture,
  type SyscallName,
} from '../../../src/isolation/process/syscalls.ts'
import { missingOnThisMachine } from '../../support/requires.ts'
import { interpret } from './bpf-machine.ts'

const [ALLOW, KILL, EPERM, ENOSYS, EAFNOSUPPORT] = [0x7fff_0000, 0x8000_0000, 0x0005_0001, 0x0005_0026, 0x0005_0061]
const MACHINES = ['x86_64', 'aarch64'] as const

/** Call, arguments, answer; for calls that are not in the filter's table, the numbers on both machines. */
const TABLE: readonly (readonly [SyscallName | readonly [number, number], readonly bigint[], number])[] = [
  [[0, 63], [], ALLOW], // read
  [[59, 221], [], ALLOW], // execve
  [[317, 277], [], ALLOW], // seccomp
  [[444, 444], [], ALLOW], // landlock_create_ruleset
  [[NEWEST_SYSCALL, NEWEST_SYSCALL], [], ALLOW],
  [[NEWEST_SYSCALL + 1, NEWEST_SYSCALL + 1], [], ENOSYS],
  [[1000, 1000], [], ENOSYS],
  ['io_uring_setup', [], ENOSYS],
  ['io_uring_enter', [], ENOSYS],
  ['io_uring_register', [], ENOSYS],
  ['bpf', [], EPERM],
  ['userfaultfd', [], EPERM],
  ['perf_event_open', [], EPERM],
  ['keyctl', [], EPERM],
  ['add_key', [], EPERM],
  ['request_key', [], EPERM],
  ['ptrace', [], EPERM],
  ['ptrace', [16n], EPERM],
  ['process_vm_readv', [], EPERM],
  ['process_vm_writev', [], EPERM],
  ['pidfd_getfd', [], EPERM],
  ['kcmp', [], EPERM],
  ['mount', [], EPERM],
  ['umount2', [], EPERM],
  ['pivot_root', [], EPERM],
  ['chroot', [], EPERM],
  ['fsopen', [], EPERM],
  ['fsmount', [], EPERM],
  ['move_mount', [], EPERM],
  ['open_tree', [], EPERM],
  ['open_tree_attr', [], EPERM],
  ['mount_setattr', [], EPERM],
  ['setns', [3n, 0n], EPERM],
  ['clone3', [], ENOSYS],
  // fork, a thread, vfork; then each namespace, alone and among other flags.
  ['clone', [17n], ALLOW],
  ['clone', [0x3d_0f00n], ALLOW],
  ['clone', [0x4111n], ALLOW],
  ['clone', [0x91n], ALLOW],
  ['clone', [0x0002_0000n], EPERM],
  ['clone', [0x0200_0000n], EPERM],
  ['clone', [0x0400_0000n], EPERM],
  ['clone', [0x0800_0000n], EPERM],
  ['clone', [0x1000_0011n], EPERM],
  ['clone', [0x2000_0000n], EPERM],
  ['clone', [0x4000_0000n], EPERM],
  ['clone', [0xffff_ffff_1000_0011n], EPERM],
  ['unshare', [0n], ALLOW],
  ['unshare', [0x400n], ALLOW],
  ['unshare', [0x80n], EPERM],
  ['unshare', [0x1000_0000n], EPERM],
  ['unshare', [0x1_1000_0000n], EPERM],
  ['open_by_handle_at', [], EPERM],
  ['name_to_handle_at', [], EPERM],
  ['mknodat', [0n, 0n, 0o100644n], ALLOW],
  ['mknodat', [0n, 0n, 0o010644n], ALLOW],
  ['mknodat', [0n, 0n, 0o020666n], EPERM],
  ['mknodat', [0n, 0n, 0o060666n], EPERM],
  // Set-user-id and set-group-id, alone, both, and beside high bits; the sticky bit is nobody's right.
  ['chmod', [0n, 0o755n], ALLOW],
  ['chmod', [0n, 0o1777n], ALLOW],
  ['chmod', [0n, 0o4755n], EPERM],
  ['chmod', [0n, 0o2755n], EPERM],
  ['chmod', [0n, 0xffff_ffff_0000_0000n | 0o6755n], EPERM],
  ['chmod', [0n, 0x800_0000_0000n | 0o755n], ALLOW],
  ['fchmod', [3n, 0o644n], ALLOW],
  ['fchmod', [3n, 0o4000n], EPERM],
  ['fchmod', [3n, 0o2000n], EPERM],
  ['fchmodat', [0n, 0n, 0o600n], ALLOW],
  ['fchmodat', [0n, 0n, 0o4600n], EPERM],
  ['fchmodat2', [0n, 0n, 0o600n, 0x100n], ALLOW],
  ['fchmodat2', [0n, 0n, 0o2600n, 0x100n], EPERM],
  ['creat', [0n, 0o644n], ALLOW],
  ['creat', [0n, 0o4644n], EPERM],
  ['mknod', [0n, 0o100755n], ALLOW],
  ['mknod', [0n, 0o104755n], EPERM],
  ['mknod', [0n, 0o4755n], EPERM],
  ['mknodat', [0n, 0n, 0o102755n], EPERM],
  ['open', [0n, 0o1101n, 0o666n], ALLOW],
  ['open', [0n, 0n, 0o4755n], ALLOW], // O_RDONLY: the mode is not looked at
  ['open', [0n, 0o100n, 0o4755n], EPERM],
  ['open', [0n, 0x1_0000_0000n | 0o100n, 0x1_0000_0000n | 0o2755n], EPERM],
  ['openat', [0n, 0n, 0o1101n, 0o666n], ALLOW],
  ['openat', [0n, 0n, 0o2000000n, 0xffff_ffffn], ALLOW],
  ['openat', [0n, 0n, 0o1101n, 0o4755n], EPERM],
  ['openat', [0n, 0n, 0o20200001n, 0o2755n], EPERM], // O_TMPFILE
  ['openat', [0n, 0n, 0o20000001n, 0o4755n], EPERM], // __O_TMPFILE alone
  ['openat2', [], ENOSYS],
  ['personality', [0n], ALLOW],
  ['personality', [0xffff_ffffn], ALLOW],
  ['personality', [0xffff_ffff_ffff_ffffn], ALLOW],
  ['personality', [0x004_0000n], ALLOW],
  ['personality', [8n], EPERM],
  ['personality', [0x1_0000_0008n], EPERM],
  ['kexec_load', [], EPERM],
  ['init_module', [], EPERM],
  ['reboot', [], EPERM],
  ['syslog', [], EPERM],
  ['clock_settime', [], EPERM],
  ['socket', [1n, 1n, 0n], ALLOW],
  ['socket', [1n, 3n, 0n], ALLOW],
  ['socket', [2n, 0x8_0801n, 6n], ALLOW],
  ['socket', [10n, 2n, 0n], ALLOW],
  ['socket', [2n, 2n, 1n], ALLOW], // ping without a raw socket
  ['socket', [2n, 3n, 1n], EPERM],
  ['socket', [2n, 0x8_0003n, 255n], EPERM],
  ['socket', [10n, 3n, 58n], EPERM],
  ['socket', [2n, 10n, 0n], EPERM],
  ['socket', [2n, 0xffff_ffff_0000_0003n, 1n], EPERM],
  ['socket', [0x1_0000_0002n, 3n, 1n], EPERM],
  ['socket', [16n, 3n, 0n], ALLOW],
  ['socket', [16n, 2n, 0n], ALLOW],
  ['socket', [16n, 3n, 4n], EAFNOSUPPORT], // NETLINK_SOCK_DIAG
  ['socket', [16n, 3n, 12n], EAFNOSUPPORT], // NETLINK_NETFILTER
  ['socket', [0xffff_ffff_0000_0010n, 3n, 12n], EAFNOSUPPORT],
  ['socket', [17n, 3n, 0n], EAFNOSUPPORT], // AF_PACKET
  ['socket', [38n, 5n, 0n], EAFNOSUPPORT], // AF_ALG
  ['socket', [40n, 1n, 0n], EAFNOSUPPORT], // AF_VSOCK
  ['socket', [0x1_0000_0028n, 1n, 0n], EAFNOSUPPORT],
  ['socketpair', [1n, 1n, 0n], ALLOW],
  ['socketpair', [30n, 1n, 0n], EAFNOSUPPORT], // AF_TIPC
  ['ioctl', [0n, 0x5401n], ALLOW], // TCGETS
  ['ioctl', [0n, 0x5413n], ALLOW], // TIOCGWINSZ
  ['ioctl', [0n, 0x5412n], EPERM], // TIOCSTI
  ['ioctl', [0n, 0x1_0000_5412n], EPERM],
  ['ioctl', [0n, 0xffff_ffff_0000_5412n], EPERM],
  ['ioctl', [0n, 0x541cn], EPERM], // TIOCLINUX
  ['ioctl', [0n, 0x5423n], EPERM], // TIOCSETD
]

for (const machine of MACHINES) {
  const program = seccompProgram(machine)
  const answer = (number: number, values: readonly bigint[] = [], architecture = AUDIT_ARCHITECTURE[machine]): number =>
    interpret(program, { number, architecture, arguments: values })

  test(`${machine}: the table of calls and answers`, () => {
    for (const [call, values, expected] of TABLE) {
      const number = typeof call === 'string' ? syscallNumber(call, machine) : call[machine === 'x86_64' ? 0 : 1]
      if (number === undefined) continue
      const shown = `${String(call)}(${values.map((value) => `0x${value.toString(16)}`).join(', ')})`
      assert.equal(answer(number, values).toString(16), expected.toString(16), shown)
    }
  })

  test(`${machine}: every call of a rule without conditions is answered whatever its arguments`, () => {
    for (const { calls, when } of RULES) {
      if (when !== undefined) continue
      for (const call of calls) {
        const number = syscallNumber(call, machine)
        if (number === undefined) continue
        fc.assert(
          fc.property(
            fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 6 }),
            (values) => answer(number, values) !== ALLOW,
          ),
          { numRuns: 10 },
        )
      }
    }
  })

  test(`${machine}: calls of other machines and ABIs kill the process`, () => {
    const AUDIT_ARCH_I386 = 0x4000_0003
    const AUDIT_ARCH_ARM = 0x4000_0028
    const others = Object.values(AUDIT_ARCHITECTURE).filter((value) => value !== AUDIT_ARCHITECTURE[machine])
    for (const architecture of [AUDIT_ARCH_I386, AUDIT_ARCH_ARM, 0, ...others]) {
      for (const number of [0, 1, 59, 136]) assert.equal(answer(number, [], architecture), KILL)
    }
    for (const number of [X32_BIT, X32_BIT + 1, X32_BIT + 520, 0xffff_ffff]) assert.equal(answer(number), KILL)
  })

  test(`${machine}: what no rule names is allowed, with any arguments`, () => {
    const named = new Set(SYSCALLS.map((name) => syscallNumber(name, machine)))
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: NEWEST_SYSCALL }),
        fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 6 }),
        (number, values) => {
          fc.pre(!named.has(number))
          return answer(number, values) === ALLOW
        },
      ),
    )
  })
}

const HEADERS: readonly (readonly [Architecture, string])[] = [
  ['x86_64', '/usr/include/x86_64-linux-gnu/asm/unistd_64.h'],
  ['aarch64', '/usr/include/asm-generic/unistd.h'],
]

for (const [machine, header] of HEADERS) {
  // linux-libc-dev comes with compilers only; the numbers never change, so that it need not be there.
  test(
    `${machine}: the numbers are the kernel's (${header})`,
    { skip: existsSync(header) ? false : `no ${header}` },
    () => {
      const text = readFileSync(header, 'utf8')
      for (const name of SYSCALLS) {
        const defined = new RegExp(`^#define (?:__NR|__NR3264)_${name}\\s+(\\d+)$`, 'm').exec(text)?.[1]
        if (defined !== undefined) assert.equal(syscallNumber(name, machine), Number(defined), name)
      }
    },
  )
}

test('the architecture of this machine', (t) => {
  assert.equal(machineArchitecture('x64'), 'x86_64')
  assert.equal(machineArchitecture('arm64'), 'aarch64')
  assert.equal(machineArchitecture('riscv64'), undefined)
  if (machineArchitecture() === undefined) t.skip(missingOnThisMachine('x86_64 or aarch64'))
})
