import type { Workload } from '../isolation/process/launch.ts'

const FORWARDED = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const

/** What a terminal sends to its whole foreground group has reached the workload already; it only must not end us. */
const FROM_TERMINAL: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT'])

/** Until it is disposed of, signals to this process go to the command that it started. */
export function forwardSignals(workload: Pick<Workload, 'terminal' | 'kill'>): Disposable {
  const handlers = FORWARDED.map((signal) => {
    const handler = (): void => {
      if (!(workload.terminal && FROM_TERMINAL.has(signal))) workload.kill(signal)
    }
    process.on(signal, handler)
    return { signal, handler }
  })
  return {
    [Symbol.dispose]() {
      for (const { signal, handler } of handlers) process.off(signal, handler)
    },
  }
}
