import type { Readable } from 'node:stream'
import { Denial } from '../denial.ts'
import type { UpstreamResponse } from '../upstream/upstream.ts'
import type { Reply } from './reply.ts'

const NOTHING = Buffer.alloc(0)

/** Something that bytes pass through on their way, such as a redactor. It may hold some back until `end`. */
export interface ByteFilter {
  push(chunk: Buffer): Buffer
  end(): Buffer
}

export interface RelayOptions {
  readonly filter?: ByteFilter | undefined
  /** Gets the size of each piece. */
  readonly onBytes: (count: number) => void
  /** What the workload was told of the length: the piece that completes it is held back. */
  readonly length?: number | undefined
}

/**
 * Moves a response body to the workload with back-pressure both ways. Resolves when the source has ended, without
 * ending the reply, with what the caller has to write last; rejects with a Denial.
 */
export async function relayBody(
  source: Readable,
  reply: Reply,
  { filter, onBytes, length = Infinity }: RelayOptions,
): Promise<Buffer> {
  let missing = length
  let last: Buffer = NOTHING
  function send(piece: Buffer): void {
    if (piece.length === 0) return
    onBytes(piece.length)
    missing -= piece.length
    if (missing <= 0) last = piece
    else if (!reply.write(piece)) source.pause()
  }
  reply.onDrain(() => source.resume())
  await drainBody(source, filter === undefined ? send : (chunk) => send(filter.push(chunk)))
  if (filter !== undefined) send(filter.end())
  return last
}

/**
 * The pieces of a response body, one at a time, from the moment of the call on. Throws a Denial when it breaks off.
 * By events: asynchronous iteration takes an HTTP/2 stream that its peer has closed for one that broke, however much of it
 * is still to be read (`closed` means another thing there than it does for streams).
 */
export function piecesOf(source: Readable): AsyncGenerator<Buffer> {
  const arrived: Buffer[] = []
  let wake = (): void => {}
  let state: 'open' | 'ended' | Error = 'open'
  function settle(outcome: 'ended' | Error): void {
    state = outcome
    wake()
  }
  drainBody(source, (chunk) => {
    arrived.push(chunk)
    source.pause()
    wake()
  }).then(
    () => settle('ended'),
    (error: Error) => settle(error),
  )
  async function* pieces(): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        const piece = arrived.shift()
        if (piece !== undefined) yield piece
        else if (state === 'ended') return
        else if (state !== 'open') throw state
        else {
          const more = new Promise<void>((resolve) => (wake = resolve))
          source.resume()
          await more
        }
      }
    } finally {
      source.destroy()
    }
  }
  return pieces()
}

/** The same as `drainBody` for a response, of which everything may have come along with the head. */
export async function drainResponse(response: UpstreamResponse, onChunk: (chunk: Buffer) => void): Promise<void> {
  const { whole } = response
  if (whole === undefined) await drainBody(response.body, onChunk)
  else if (whole.length > 0) onChunk(whole)
}

/** Reads a response body to its end. Rejects with a Denial when it breaks off, or with what `onChunk` throws. */
export function drainBody(source: Readable, onChunk: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let ended = false
    if (source.readableEnded) return resolve()
    if (source.destroyed) return reject(new Denial('upstream_aborted', 'the upstream ended the response early'))
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
    source.on('error', (error) =>
      reject(new Denial('upstream_aborted', 'the upstream ended the response early', { cause: error })),
    )
    source.once('close', () => {
      if (!ended) reject(new Denial('upstream_aborted', 'the upstream ended the response early'))
    })
  })
}
