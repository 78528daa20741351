import { spawn, type ChildProcess } from 'node:child_process'
import { Socket as UdpSocket } from 'node:dgram'
import { getCompileCacheDir } from 'node:module'
import { Server } from 'node:net'
import { dirname, extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CageError } from '../../errors.ts'
import { boundedText } from '../../system/spawn.ts'
import { namespaceFailure } from './launch-failure.ts'
import { requireProgram } from './launch-programs.ts'
import type { MoatMessage, MoatRequest } from './moat-helper.ts'

export interface MoatSockets {
  readonly tcp: readonly Server[]
  readonly udp: readonly UdpSocket[]
  /** Of a process in the namespaces, until the helper is disposed of. */
  readonly pid: number
}

/**
 * A process in new namespaces that waits to be told what to open there. It takes as long to start as much of what else a
 * cage needs, and can start beside that. Why it could not be started is said when something is asked of it.
 */
export interface MoatHelper extends AsyncDisposable {
  /** To be asked once. Throws `host_unsupported` or `listen_failed` with the reason, or the signal's own. */
  open(request: MoatRequest, signal?: AbortSignal): Promise<MoatSockets>
  /** Closes what has arrived and ends it. */
  abandon(): void
}

export function startMoatHelper(): MoatHelper {
  try {
    return new RunningHelper(startHelper())
  } catch (error) {
    return {
      open: async () => {
        throw error
      },
      abandon: () => undefined,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }
  }
}

function startHelper(): ChildProcess {
  const helper = fileURLToPath(new URL(`./moat-helper${extname(import.meta.url)}`, import.meta.url))
  const inNamespaces = ['--user', '--map-current-user', '--keep-caps', '--net', '--']
  return spawn(requireProgram('unshare'), [...inNamespaces, process.execPath, helper], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: helperEnvironment(),
  })
}

/** Nothing of ours but the compile cache, if this process has one: it halves the helper's start from TypeScript. */
function helperEnvironment(): NodeJS.ProcessEnv {
  const cache = getCompileCacheDir()
  return cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) }
}

class RunningHelper implements MoatHelper {
  readonly #child: ChildProcess
  readonly #tcp: Server[] = []
  readonly #udp: UdpSocket[] = []
  #isAbandoned = false
  readonly #done = Promise.withResolvers<{ readonly udp: number }>()

  constructor(child: ChildProcess) {
    this.#child = child
    const problem = child.stderr === null ? () => '' : boundedText(child.stderr)
    const { resolve, reject } = this.#done
    this.#done.promise.catch(() => {}) // Said when it is asked.
    child.on('message', (message: MoatMessage, handle: unknown) => {
      // What was on its way when nobody wanted it any more.
      if (this.#isAbandoned) (handle as Server | UdpSocket | undefined)?.close()
      else if (message.kind === 'failed') reject(helperFailure(message.step, message.problem))
      else if (message.kind === 'tcp' && handle instanceof Server) this.#tcp[message.index] = handle
      else if (message.kind === 'udp' && handle instanceof UdpSocket) this.#udp[message.index] = handle
      else if (message.kind === 'done') resolve(message)
      else reject(unexpected(message.kind))
    })
    child.once('error', (error) => reject(namespaceFailure(error.message)))
    child.once('close', (code, signal) =>
      reject(namespaceFailure(problem().trim() || `it ended with ${signal ?? code}`)),
    )
  }

  async open(request: MoatRequest, signal?: AbortSignal): Promise<MoatSockets> {
    signal?.throwIfAborted()
    const onAbort = (): void => this.#done.reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      if (this.#child.connected) this.#child.send(request, () => undefined) // It ended: 'close' says why.
      const { udp } = await this.#done.promise
      const { pid } = this.#child
      if (pid === undefined || this.#tcp.length !== request.tcp.length || this.#udp.length !== udp)
        throw unexpected('done')
      return { tcp: this.#tcp, udp: this.#udp, pid }
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  abandon(): void {
    this.#isAbandoned = true
    this.#child.kill('SIGKILL')
    for (const socket of [...this.#tcp, ...this.#udp]) socket?.close()
  }

  /** It ends when its channel closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { connected, pid, exitCode, signalCode } = this.#child
    if (connected) this.#child.disconnect()
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    await new Promise<void>((resolve) => void this.#child.once('exit', () => resolve()))
  }
}

function unexpected(kind: string): CageError {
  return new CageError('internal', `unexpected message from the network namespace: ${kind}`)
}

function helperFailure(step: 'routes' | 'listen', problem: string): CageError {
  if (step === 'routes') return namespaceFailure(problem)
  return new CageError('listen_failed', `cannot listen in the cage's network: ${problem}`, {
    hint: 'Check ports.tcp.allow.',
  })
}
