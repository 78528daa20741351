import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import type { Podman } from '../../isolation/container/podman.ts'
import { findProgram } from '../../system/process.ts'

/**
 * Starts `podman run` so that it is asked to end when this process dies, and passes that on to its container: who is killed
 * clears nothing away.
 */
export function spawnPodman(podman: Podman, args: readonly string[], options: SpawnOptions): ChildProcess {
  const setpriv = findProgram('setpriv')
  const [program, ...before] =
    setpriv === undefined ? [podman.program] : [setpriv, '--pdeathsig', 'TERM', '--', podman.program]
  return spawn(program ?? podman.program, [...before, ...args], { ...options, env: podman.environment })
}
