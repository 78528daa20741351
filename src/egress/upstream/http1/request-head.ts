import { Denial } from '../../denial.ts'
import type { HeaderList } from '../../http/headers.ts'

/** A request as it stands on the wire. */
export interface WireRequest {
  readonly method: string
  /** In origin form, or in absolute form for a proxy. */
  readonly target: string
  readonly headers: HeaderList
  readonly body: Buffer
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const TARGET = /^[\x21-\x7e\x80-\xff]+$/
const NOT_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/

/**
 * The head of a request as Latin-1, fields in their order and case (RFC 9112 sections 3 and 5). Whatever was put into it,
 * it is one request: throws a Denial for what would end a line (CR, LF, NUL), and for framing that is not the body's.
 */
export function formatRequestHead({ method, target, headers, body }: WireRequest): string {
  // The answer to CONNECT would be a tunnel.
  if (!TOKEN.test(method) || method === 'CONNECT') throw unsendable('its method')
  if (!TARGET.test(target)) throw unsendable('its target')
  let head = `${method} ${target} HTTP/1.1\r\n`
  let hosts = 0
  let lengths = 0
  let saysConnection = false
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string
    const value = headers[index + 1] as string
    if (!TOKEN.test(name)) throw unsendable('the name of a field')
    if (NOT_IN_VALUE.test(value)) throw unsendable(`the field ${name}`)
    switch (name.length) {
      case 4:
        if (name.toLowerCase() === 'host') hosts += 1
        break
      case 10:
        saysConnection ||= name.toLowerCase() === 'connection'
        break
      case 14:
        if (name.toLowerCase() !== 'content-length') break
        if (value !== String(body.length)) throw unsendable('its length')
        lengths += 1
        break
      case 17:
        if (name.toLowerCase() === 'transfer-encoding') throw unsendable('its transfer coding')
    }
    head += `${name}: ${value}\r\n`
  }
  if (hosts !== 1) throw unsendable('its Host') // RFC 9112 section 3.2
  if (lengths > 1 || (lengths === 0 && body.length > 0)) throw unsendable('its length')
  return saysConnection ? `${head}\r\n` : `${head}Connection: keep-alive\r\n\r\n`
}

/** Names no value: one may be a secret. */
function unsendable(part: string): Denial {
  return new Denial('bad_request', `the request cannot be sent as HTTP/1.1: ${part} is not valid there`)
}
