import { CageError } from '../errors.ts'
import { connectSession, sizeOf } from '../isolation/microvm/guest-streams.ts'
import { hasTerminal } from '../isolation/process/launch-terminal.ts'
import type { ExecRequest, Execution } from './backend.ts'
import type { Deployment } from './deployment.ts'
import { enterMachine } from './machine-exec/client.ts'
import { notRunning, refuseEgress, terminalVariables } from './process-exec.ts'
import { findCage } from './running-cage.ts'

/** Runs a command in the machine of the cage, beside its workload. */
export async function execInMachine(deployment: Deployment, request: ExecRequest): Promise<Execution> {
  refuseEgress(request)
  const running = await findCage(deployment.stateFolder)
  if (running === undefined) throw notRunning(deployment.name)
  if (running.sessions === undefined) {
    throw new CageError('workload_failed', 'the machine of this cage takes no other commands', {
      hint: `It was started by another version: agentcage cage restart ${deployment.name}`,
    })
  }
  const { command, placeholders, stdio, signal } = request
  const { environment, workingDirectory } = running.plan
  const terminal = hasTerminal(stdio[0]) && stdio[1] === 'inherit' && process.stdout.isTTY
  const session = await enterMachine(
    running.sessions,
    {
      command,
      environment: { ...environment, ...terminalVariables(deployment.environment), ...placeholders },
      workingDirectory,
      ...(terminal && { terminal: sizeOf(process) }),
    },
    signal,
  )
  return connectSession(session, { stdio, own: process })
}
