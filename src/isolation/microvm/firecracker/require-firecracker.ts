import { accessSync, constants, realpathSync } from 'node:fs'
import { CageError } from '../../../errors.ts'
import { findProgram } from '../../../system/process.ts'
import { KVM, mayOpenDevice } from '../host-parts.ts'
import { requireMkfs } from '../scratch-disk.ts'
import { requireSocat } from './socat.ts'

export const TUN = '/dev/net/tun'

/** What Firecracker opens of the host's. */
export const FIRECRACKER_DEVICES: readonly string[] = [KVM, TUN]

/** Absolute path of Firecracker, by its path or its name. Throws `host_unsupported` when it could not run here. */
export function requireFirecracker(name: string, devices = FIRECRACKER_DEVICES): string {
  const path = findFirecracker(name)
  const lacks = (what: string): CageError =>
    new CageError('host_unsupported', what, {
      hint: 'Use microvm.vmm: auto, which needs neither, or see agentcage vm doctor --firecracker FILE.',
    })
  if (path === undefined) throw lacks(`${name} is not installed`)
  const closed = devices.find((device) => !mayOpenDevice(device))
  if (closed !== undefined) throw lacks(`Firecracker needs ${closed}, which this user cannot open`)
  requireMkfs()
  requireSocat()
  return path
}

/** Its absolute path, when it is there: at an absolute path, or by its name in the system's folders. */
export function findFirecracker(name: string): string | undefined {
  return name.startsWith('/') ? executable(name) : findProgram(name)
}

function executable(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK)
    return realpathSync(path)
  } catch {
    return undefined
  }
}
