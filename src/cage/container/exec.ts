import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { constants } from 'node:os'
import { isatty } from 'node:tty'
import { cageNames } from '../../isolation/container/names.ts'
import { findPodman } from '../../isolation/container/podman.ts'
import type { WorkloadExit } from '../../isolation/isolation.ts'
import type { ExecRequest, Execution } from '../backend.ts'
import { notRunning } from '../process-exec.ts'
import { guardExec } from './exec-guard.ts'
import type { Deployment } from '../deployment.ts'

/**
 * Runs a command in the workload's container, or in the proxy's. Podman gives it the container's user, capabilities and
 * limits, no more. With a terminal the command gets one of its own. Throws `cage_not_running`.
 */
export async function executeInContainer(deployment: Deployment, request: ExecRequest): Promise<Execution> {
  const { name, environment } = deployment
  const names = cageNames(name)
  const container = request.part === 'cage' ? names.cage : names.proxy
  const podman = findPodman(environment)
  const { stdout } = await podman.run(['container', 'inspect', '--format', '{{.State.Running}}', container])
  if (stdout.trim() !== 'true') throw notRunning(name)
  const terminal = [0, 1].every((stream) => request.stdio[stream] === 'inherit' && isatty(stream))
  const placeholders = request.part === 'cage' ? Object.entries(request.placeholders) : []
  const guard = guardExec(podman, randomUUID())
  const args = [
    'exec',
    '--interactive',
    ...(terminal ? ['--tty'] : []),
    '--env',
    guard.variable,
    ...placeholders.flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    container,
    ...request.command,
  ]
  const child = spawn(podman.program, args, { stdio: [...request.stdio], env: podman.environment })
  const abort = (): void => {
    void guard.end()
    child.kill('SIGKILL')
  }
  request.signal?.addEventListener('abort', abort, { once: true })
  const exited = new Promise<WorkloadExit>((resolve, reject) => {
    child.once('error', (error) => {
      guard.release()
      reject(error)
    })
    child.once('close', (code, signal) => {
      request.signal?.removeEventListener('abort', abort)
      if (signal === null) {
        guard.release()
        return resolve({ code: code ?? 1 })
      }
      // Podman was killed, not the command.
      void guard.end().then(() => resolve({ code: 128 + constants.signals[signal], signal }))
    })
  })
  return {
    terminal,
    stdin: child.stdin ?? undefined,
    stdout: child.stdout ?? undefined,
    stderr: child.stderr ?? undefined,
    exited,
    kill(signal) {
      guard.deliver(signal)
      return true
    },
  }
}
