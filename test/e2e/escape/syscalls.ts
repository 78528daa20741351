import { machineArchitecture } from '../../../src/isolation/process/seccomp.ts'
import { syscallNumber, type SyscallName } from '../../../src/isolation/process/syscalls.ts'

/** Python that defines `call(name, *arguments)`: `allowed`, or the name of the error. */
export const CALL = `
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    return "allowed" if libc.syscall(number, *arguments) != -1 else errno.errorcode[ctypes.get_errno()]
`

/** The number of a system call on this machine. */
export function numberOf(name: SyscallName): number {
  const architecture = machineArchitecture()
  const number = architecture === undefined ? undefined : syscallNumber(name, architecture)
  if (number === undefined) throw new RangeError(`this machine has no ${name}`)
  return number
}
