import { ExitCode, run } from '@stricli/core'
import { buildCli } from './app.ts'
import { printCompletions } from './complete.ts'
import { reportFailure } from './failure.ts'
import type { Io } from './io.ts'
import { processIo } from './process-io.ts'
import { separateWorkload } from './workload-arguments.ts'

/** Runs one command line and returns the exit code: 0 fine, 1 something on the host failed, 2 the request was wrong. */
export async function main(argv: readonly string[], io: Io = processIo()): Promise<number> {
  let finished: number | undefined
  const framework = { stdout: io.stdout, stderr: io.stderr, env: io.env, exitCode: null as number | string | null }
  try {
    if (argv[0] === '__complete') return await printCompletions(argv.slice(1), io)
    await run(buildCli(argv), separateWorkload(argv), {
      process: framework,
      io,
      finish: (code) => {
        finished = code
      },
    })
  } catch (error) {
    return reportFailure(error, io)
  }
  return finished ?? frameworkExit(framework.exitCode)
}

/** No command ran: help or the version was printed, or the command line was wrong. */
function frameworkExit(code: number | string | null): number {
  if (code === ExitCode.Success) return 0
  return code === ExitCode.UnknownCommand || code === ExitCode.InvalidArgument ? 2 : 1
}
