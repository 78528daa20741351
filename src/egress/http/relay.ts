import type { Readable } from 'node:stream'
import { Denial } from '../denial.ts'
import type { Reply } from './reply.ts'

/** Something that bytes pass through on their way, such as a redactor. It may hold some back until `end`. */
export interface ByteFilter {
  push(chunk: Buffer): Buffer
  end(): Buffer
}

/**
 * Moves a response body to the workload with back-pressure both ways. `onBytes` gets the size of each piece that went.
 * Resolves when the source has ended and all of it was written, without ending the reply; rejects with a Denial.
 */
export function relayBody(source: Readable, reply: Reply, filter: ByteFilter | undefined, onBytes: (count: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let ended = false
    function send(make: () => Buffer): void {
      try {
        const piece = make()
        if (piece.length === 0) return
        onBytes(piece.length)
        if (!reply.write(piece)) source.pause()
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
        source.destroy()
      }
    }
    source.on('data', (chunk: Buffer) => send(() => (filter === undefined ? chunk : filter.push(chunk))))
    source.once('end', () => {
      ended = true
      if (filter !== undefined) send(() => filter.end())
      resolve()
    })
    source.on('error', (error) => reject(new Denial('upstream_aborted', 'the upstream ended the response early', { cause: error })))
    source.once('close', () => {
      if (!ended) reject(new Denial('upstream_aborted', 'the upstream ended the response early'))
    })
    reply.onDrain(() => source.resume())
  })
}
