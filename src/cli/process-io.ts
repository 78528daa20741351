import { CageError } from '../errors.ts'
import { errnoWords } from '../system/errno-words.ts'
import { reportFailure } from './failure.ts'
import type { Io } from './io.ts'

/**
 * The streams and environment of this process. From then on a reader that goes away (`| head`) ends it quietly,
 * and a defect ends it with one line on standard error and exit code 1.
 */
export function processIo(): Io {
  const { stdout, stderr, env } = process
  const io: Io = {
    // Opened when it is asked for: few commands read it.
    get stdin() {
      return process.stdin
    },
    stdout,
    stderr,
    env,
    cwd: workingDirectory,
  }
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : reportFailure(outputFailure(error), io))
  })
  // A message that nobody can read is no reason to end a cage that runs.
  stderr.on('error', () => {})
  process.on('uncaughtException', (error) => process.exit(reportFailure(error, io)))
  return io
}

function outputFailure(cause: NodeJS.ErrnoException): CageError {
  const reason = errnoWords(cause.code ?? '') ?? cause.message
  return new CageError('output_failed', `standard output cannot be written: ${reason}`, { cause })
}

/** Where agentcage was called. The folder may be gone. */
function workingDirectory(): string {
  try {
    return process.cwd()
  } catch (error) {
    throw new CageError('usage', 'the working directory does not exist any more', {
      hint: 'Go to one that does: cd /',
      cause: error,
    })
  }
}
