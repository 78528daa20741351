import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { CageError } from '../../../errors.ts'
import { printable } from '../../../system/printable.ts'
import type { ApiRequest } from './requests.ts'

/** More than any answer that we ask for. */
const LARGEST_ANSWER = 65_536
/** How long Firecracker may take for an answer, in milliseconds. The last request loads the kernel. */
const PATIENCE = 20_000

export interface ApiOptions {
  /** Milliseconds for each answer. */
  readonly patience?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Makes the requests one after another, up to the first that fails. Throws `workload_failed` with what was asked and what
 * Firecracker says of it: another answer than 204 means that the machine is not as it was to be.
 */
export async function configure(
  socketPath: string,
  requests: readonly ApiRequest[],
  options: ApiOptions = {},
): Promise<void> {
  for (const each of requests) await put(socketPath, each, options)
}

async function put(socketPath: string, { path, body }: ApiRequest, options: ApiOptions): Promise<void> {
  const { patience = PATIENCE, signal } = options
  const late = AbortSignal.timeout(patience)
  const ended = signal === undefined ? late : AbortSignal.any([late, signal])
  const failed = (what: string): CageError => new CageError('workload_failed', `Firecracker ${what} (PUT ${path})`)
  try {
    const { status, text } = await ask(socketPath, { path, content: JSON.stringify(body), signal: ended })
    if (status !== 204) throw failed(`answered ${status}${faultOf(text)}`)
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof CageError) throw error
    if (late.aborted) throw failed(`did not answer within ${patience / 1000} s`)
    if (error instanceof RangeError) throw failed(error.message)
    throw failed(`does not answer: ${error instanceof Error ? error.message : 'unknown'}`)
  }
}

interface Ask {
  readonly path: string
  readonly content: string
  readonly signal: AbortSignal
}

async function ask(
  socketPath: string,
  { path, content, signal }: Ask,
): Promise<{ readonly status: number; readonly text: string }> {
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(content),
    accept: 'application/json',
    connection: 'close',
  }
  const outgoing = request({ socketPath, path, method: 'PUT', headers, signal, agent: false, maxHeaderSize: 8192 })
  outgoing.end(content)
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  // An abort after this ends the response, which says so by itself.
  outgoing.on('error', () => undefined)
  return { status: response.statusCode ?? 0, text: await boundedBody(response) }
}

async function boundedBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > LARGEST_ANSWER) throw new RangeError('answered more than any answer has')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** What Firecracker says of its errors, made harmless and short; nothing when it says it in another way. */
function faultOf(text: string): string {
  try {
    const answer = JSON.parse(text) as unknown
    if (typeof answer !== 'object' || answer === null || !('fault_message' in answer)) return ''
    return typeof answer.fault_message === 'string' ? `: ${printable(answer.fault_message).slice(0, 600)}` : ''
  } catch {
    return ''
  }
}
