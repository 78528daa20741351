import type { Duplex } from 'node:stream'
import { ByteSource } from './byte-source.ts'

/** A response as it stood on the wire. */
export interface RawResponse {
  readonly status: number
  readonly reason: string
  /** Name, value, name, value, …: case, order and duplicates kept. */
  readonly rawHeaders: readonly string[]
  /** Without transfer coding; content codings are left as they are. */
  readonly body: Buffer
  readonly rawTrailers: readonly string[]
  /** Status codes of the 1xx responses before it. */
  readonly interim: readonly number[]
}

/** The values of a field, in order, joined as RFC 9110 section 5.3 says; undefined if there is none. */
export function header({ rawHeaders }: Pick<RawResponse, 'rawHeaders'>, name: string): string | undefined {
  const values = rawHeaders.filter(
    (_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name.toLowerCase(),
  )
  return values.length === 0 ? undefined : values.join(', ')
}

export function json(response: Pick<RawResponse, 'body'>): Record<string, unknown> {
  return JSON.parse(response.body.toString()) as Record<string, unknown>
}

/**
 * Reads one HTTP/1.1 response (RFC 9112) and leaves what follows it in the socket. `method` is that of the request:
 * answers to HEAD and to a successful CONNECT have no body. Its own parser, so that it shares no mistake with the egress.
 */
export async function readResponse(
  socket: Duplex,
  { method = 'GET' }: { readonly method?: string } = {},
): Promise<RawResponse> {
  const source = new ByteSource(socket)
  const interim: number[] = []
  for (;;) {
    const [, statusText = '', reason = ''] =
      /^HTTP\/1\.1 (\d{3})(?: (.*))?$/.exec(await source.line()) ?? unexpected('status line')
    const status = Number(statusText)
    const rawHeaders = await readFields(source)
    if (status < 200 && status !== 101) {
      interim.push(status)
      continue
    }
    const bodiless =
      method === 'HEAD' ||
      status === 101 ||
      status === 204 ||
      status === 304 ||
      (method === 'CONNECT' && status === 200)
    const content = bodiless ? { body: Buffer.alloc(0), rawTrailers: [] } : await readBody(source, rawHeaders)
    source.giveBack()
    return { status, reason, rawHeaders, interim, ...content }
  }
}

async function readBody(
  source: ByteSource,
  rawHeaders: readonly string[],
): Promise<Pick<RawResponse, 'body' | 'rawTrailers'>> {
  if (header({ rawHeaders }, 'transfer-encoding')?.toLowerCase() === 'chunked') {
    const chunks: Buffer[] = []
    for (;;) {
      const size = Number.parseInt(await source.line(), 16)
      if (Number.isNaN(size)) unexpected('chunk size')
      if (size === 0) return { body: Buffer.concat(chunks), rawTrailers: await readFields(source) }
      chunks.push(await source.bytes(size))
      if ((await source.line()) !== '') unexpected('end of chunk')
    }
  }
  const length = header({ rawHeaders }, 'content-length')
  const body = length === undefined ? await source.rest() : await source.bytes(Number(length))
  return { body, rawTrailers: [] }
}

/** Header or trailer fields up to the empty line. */
async function readFields(source: ByteSource): Promise<string[]> {
  const fields: string[] = []
  for (let line = await source.line(); line !== ''; line = await source.line()) {
    const [, name = '', value = ''] = /^([^:\s]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? unexpected('field')
    fields.push(name, value)
  }
  return fields
}

function unexpected(what: string): never {
  throw new Error(`malformed response: ${what}`)
}
