import type { Readable } from 'node:stream'
import { printable } from '../../system/printable.ts'

const KEPT = 4096

/** The end of what a machine printed, for a message: its kernel's words or the workload's, so made harmless and short. */
export function consoleTail(...streams: readonly (Readable | undefined)[]): () => string {
  let tail = ''
  for (const stream of streams) {
    stream?.on('error', () => undefined)
    stream?.on('data', (chunk: Buffer) => {
      tail = (tail + chunk.toString('latin1')).slice(-KEPT)
    })
  }
  return () =>
    tail
      .split(/[\r\n]+/)
      .map((line) => printable(line.trim()))
      .filter(Boolean)
      .slice(-4)
      .join('; ')
      .slice(-600)
}
