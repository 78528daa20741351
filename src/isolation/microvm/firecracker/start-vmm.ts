import { connect } from 'node:net'
import { finished } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { CageError } from '../../../errors.ts'
import type { Workload } from '../../process/launch.ts'
import { consoleTail } from '../console-tail.ts'
import { configure } from './api.ts'
import type { ApiRequest } from './requests.ts'

/** How long Firecracker may take to listen, in milliseconds: it does within a few. */
const PATIENCE = 10_000
/** The socket's file is all that tells. */
const INTERVAL = 20

export interface StartVmmOptions {
  readonly requests: readonly ApiRequest[]
  /** Milliseconds until it listens, and for each of its answers. */
  readonly patience?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Has Firecracker, whose API's socket is at `api`, make the machine and start it. Whatever goes wrong ends Firecracker, and
 * throws `workload_failed` with the last that it printed.
 */
export async function startVmm(
  vmm: Workload,
  api: string,
  { requests, patience, signal }: StartVmmOptions,
): Promise<void> {
  const printed = consoleTail(vmm.stdout, vmm.stderr)
  try {
    await whenListening(vmm, api, patience ?? PATIENCE)
    await configure(api, requests, { patience, signal })
  } catch (error) {
    vmm.destroy()
    await vmm.exited.catch(() => undefined)
    signal?.throwIfAborted()
    if (!(error instanceof CageError) || error.code !== 'workload_failed') throw error
    await Promise.all([vmm.stdout, vmm.stderr].map(whenRead))
    const words = printed()
    throw words === '' ? error : new CageError(error.code, `${error.message}; it printed: ${words}`, { cause: error })
  }
}

/** No guest runs before the last request: what is at this path is Firecracker's own. */
async function whenListening(vmm: Workload, api: string, patience: number): Promise<void> {
  const ended = vmm.exited.then(
    () => true,
    () => true,
  )
  for (let waited = 0; waited < patience; waited += INTERVAL) {
    if (await canConnect(api)) return
    if (await Promise.race([ended, delay(INTERVAL, false)]))
      throw new CageError('workload_failed', 'Firecracker ended before it listened')
  }
  throw new CageError('workload_failed', `Firecracker did not listen within ${patience / 1000} s`)
}

function canConnect(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(path)
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  return promise.finally(() => socket.destroy())
}

async function whenRead(stream: Workload['stdout']): Promise<void> {
  if (stream !== undefined) await finished(stream, { writable: false }).catch(() => undefined)
}
