import type { SyscallName } from './syscalls.ts'

/*
 * Calls by which a file becomes a program that runs as its owner. User 0 inside is the host's root when agentcage runs as
 * root, and in containers the workload is the host's user where it has folders of theirs: a copy of a shell in the project
 * would be that user for everybody on the host.
 */

/** Calls that are given a mode, by the index of that argument. mkdir(2) takes no such bits from its caller. */
export interface ModeCalls {
  readonly calls: readonly SyscallName[]
  readonly mode: number
  /** Argument with flags, where there is one: without one of CREATES the call is given no mode, or anything. */
  readonly flags?: number
}

/** They cannot tell a folder from a file. */
export const MODE_CALLS: readonly ModeCalls[] = [
  { calls: ['chmod', 'fchmod', 'creat', 'mknod'], mode: 1 },
  { calls: ['fchmodat', 'fchmodat2', 'mknodat'], mode: 2 },
  { calls: ['open'], flags: 1, mode: 2 },
  { calls: ['openat'], flags: 2, mode: 3 },
]

/** S_ISUID and S_ISGID. */
export const SET_ID = 0o6000

/** O_CREAT and __O_TMPFILE, the same on x86_64 and aarch64. */
export const CREATES = 0o100 | 0o20000000

/** Take modes from memory, where no filter can look. Without them programs use openat. */
export const UNSEEN_MODE_CALLS: readonly SyscallName[] = [
  'openat2',
  'io_uring_setup',
  'io_uring_enter',
  'io_uring_register',
]
