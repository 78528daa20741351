import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemMounts } from '../isolation/process/filesystem.ts'
import { gatherHost } from '../isolation/process/host.ts'
import { openMoat, RESOLVER } from '../isolation/process/moat.ts'
import { forgetKvmFailure } from '../isolation/microvm/kvm-failure.ts'
import { launchMachine } from '../isolation/microvm/launch-machine.ts'
import { machinesFolder, ownFolders } from '../system/paths.ts'

export interface TrialOptions {
  readonly kernel: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly log: (message: string) => void
}

/**
 * Starts a guest that does nothing and has nothing of a project, and waits for its end. The kernel is unpacked for later
 * guests by the way. KVM is tried even where it failed before. Yields the milliseconds until its command ran. Throws as `launchMachine` does.
 */
export async function tryMachine({ kernel, environment, log }: TrialOptions): Promise<number> {
  await using cleanup = new AsyncDisposableStack()
  const scratch = await mkdtemp(join(await realpath(tmpdir()), 'agentcage-'))
  cleanup.defer(() => rm(scratch, { recursive: true, force: true }))
  const moat = await openMoat({ tcpPorts: [], proxy: { address: RESOLVER, port: 3128 } })
  cleanup.defer(() => moat.close())
  const cache = machinesFolder(environment)
  await forgetKvmFailure(cache)
  const host = gatherHost({ environment, ownFolders: ownFolders(environment) })
  const began = performance.now()
  const machine = await launchMachine(
    { command: ['true'], workingDirectory: '/', environment: {}, mounts: systemMounts(host), limits: {} },
    moat,
    {
      settings: { kernel, vcpus: 1, memoryMebibytes: 256 },
      open: false,
      stdio: ['ignore', 'ignore', 'ignore'],
      own: process,
      scratch,
      cache,
      log,
    },
  )
  const elapsed = performance.now() - began
  await machine.exited
  return elapsed
}
