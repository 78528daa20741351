import { createInterface } from 'node:readline/promises'
import type { Io } from './io.ts'

/** Asks on standard error; what is not a clear yes is no, as is the end of the input. */
export async function confirm(question: string, io: Io): Promise<boolean> {
  const lines = createInterface({ input: io.stdin, output: io.stderr, terminal: false })
  try {
    io.stderr.write(`${question} [y/N] `)
    const answer = await Promise.race([
      new Promise<string>((resolve) => void lines.once('line', resolve)),
      new Promise<string>((resolve) => void lines.once('close', () => resolve(''))),
    ])
    return /^y(?:es)?$/i.test(answer.trim())
  } finally {
    lines.close()
  }
}
