import type { Workload } from './launch.ts'

/** What the terminal sends to the whole foreground, so that passing it on would deliver it twice. */
const FROM_TERMINAL: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT'])

/** SIGUSR1 is missing: Node keeps it for its debugger. SIGTSTP and SIGCONT keep their meaning for the whole job. */
const FORWARDED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']

/**
 * Passes on to the command what this process is sent, and keeps this process alive meanwhile: it ends when the
 * command does. `using` ends the forwarding.
 */
export function forwardSignals(workload: Pick<Workload, 'kill' | 'terminal'>): Disposable {
  const forward = (signal: NodeJS.Signals): void => {
    if (!(workload.terminal && FROM_TERMINAL.has(signal))) workload.kill(signal)
  }
  for (const signal of FORWARDED) process.on(signal, forward)
  return {
    [Symbol.dispose]() {
      for (const signal of FORWARDED) process.off(signal, forward)
    },
  }
}
