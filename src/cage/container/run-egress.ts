import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { CageError } from '../../errors.ts'
import { runArguments } from '../../isolation/container/command-line.ts'
import { lastLine, type Podman } from '../../isolation/container/podman.ts'
import type { ContainerSpec } from '../../isolation/container/spec.ts'
import { spawnPodman } from './run-podman.ts'

export interface RunningPart {
  /** Resolves when it serves; rejects with what it said last when it ends before. */
  readonly ready: Promise<void>
  /** Resolves with what it said last when it has ended, whenever that is. */
  readonly ended: Promise<string>
}

/** Starts a trusted container. It has a session of its own: what a terminal sends is the workload's. */
export function startPart(podman: Podman, spec: ContainerSpec, log: (message: string) => void): RunningPart {
  const args = runArguments(spec, { terminal: false, interactive: false, init: false })
  const child = spawnPodman(podman, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let last = ''
  createInterface({ input: child.stderr as Readable }).on('line', (line) => {
    last = line
    log(line)
  })
  const ended = endOf(child).then(() => last)
  const ready = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout as Readable }).once('line', () => resolve())
    void ended.then((said) => reject(new CageError('egress_failed', `${spec.name} did not start: ${lastLine(said)}`)))
  })
  ready.catch(() => {}) // Awaited by who started it, perhaps later.
  return { ready, ended }
}

async function endOf(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolve) => {
    child.once('error', () => resolve())
    child.once('close', () => resolve())
  })
}
