import { constants } from 'node:os'
import { isatty } from 'node:tty'
import { runArguments } from '../../isolation/container/command-line.ts'
import type { Podman } from '../../isolation/container/podman.ts'
import type { ContainerSpec } from '../../isolation/container/spec.ts'
import type { WorkloadExit } from '../../isolation/isolation.ts'
import { findProgram } from '../../system/process.ts'
import { existsSync } from 'node:fs'
import type { RunRequest } from '../run-request.ts'
import { spawnPodman } from './run-podman.ts'

export interface ContainerWorkload {
  /** Whether it has our terminal, which then delivers its signals itself. */
  readonly terminal: boolean
  /** 128 + N when signal N ended it. */
  readonly exited: Promise<WorkloadExit>
  kill(signal: NodeJS.Signals): boolean
}

/** Starts the workload's container with our streams; `podman run` passes signals on and has its exit code. */
export function startAgent(podman: Podman, spec: ContainerSpec, stdio: RunRequest['stdio']): ContainerWorkload {
  const terminal = [0, 1].every((stream) => stdio[stream] === 'inherit' && isatty(stream))
  const args = runArguments(spec, { terminal, interactive: true, init: hasInit() })
  const child = spawnPodman(podman, args, { stdio: [...stdio] })
  const exited = new Promise<WorkloadExit>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      resolve(signal === null ? { code: code ?? 1 } : { code: 128 + constants.signals[signal], signal })
    })
  })
  return { terminal, exited, kill: (signal) => child.kill(signal) }
}

/** Podman's process 1 for containers. Without it a program is process 1 itself, and ends by no signal that it does not handle. */
function hasInit(): boolean {
  const folders = ['/usr/libexec/podman', '/usr/lib/podman', '/usr/local/libexec/podman', '/usr/local/lib/podman']
  return findProgram('catatonit') !== undefined || folders.some((folder) => existsSync(`${folder}/catatonit`))
}
