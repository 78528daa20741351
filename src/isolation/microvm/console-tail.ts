import type { Readable } from 'node:stream'
import { printable } from '../../system/printable.ts'

const KEPT = 16_384

/**
 * What a machine printed last, for a message: why its kernel gave up, or its last lines. These are a kernel's words or the
 * workload's, so they are made harmless and short.
 */
export function consoleTail(...streams: readonly (Readable | undefined)[]): () => string {
  let tail = ''
  for (const stream of streams) {
    stream?.on('error', () => undefined)
    stream?.on('data', (chunk: Buffer) => {
      tail = (tail + chunk.toString('latin1')).slice(-KEPT)
    })
  }
  return () => {
    const lines = tail.split(/[\r\n]+/).map((line) => printable(line.trim()))
    const panic = lines.find((line) => line.includes('Kernel panic'))
    return panic?.slice(0, 300) ?? lines.filter(Boolean).slice(-4).join('; ').slice(-600)
  }
}
