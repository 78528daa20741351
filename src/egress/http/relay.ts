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
  function send(piece: Buffer): void {
    if (piece.length === 0) return
    onBytes(piece.length)
    if (!reply.write(piece)) source.pause()
  }
  reply.onDrain(() => source.resume())
  if (filter === undefined) return drainBody(source, send)
  return drainBody(source, (chunk) => send(filter.push(chunk))).then(() => send(filter.end()))
}

/** Reads a response body to its end. Rejects with a Denial when it breaks off, or with what `onChunk` throws. */
export function drainBody(source: Readable, onChunk: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let ended = false
    source.on('data', (chunk: Buffer) => {
      try {
        onChunk(chunk)
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
        source.destroy()
      }
    })
    source.once('end', () => {
      ended = true
      resolve()
    })
    source.on('error', (error) => reject(new Denial('upstream_aborted', 'the upstream ended the response early', { cause: error })))
    source.once('close', () => {
      if (!ended) reject(new Denial('upstream_aborted', 'the upstream ended the response early'))
    })
  })
}
