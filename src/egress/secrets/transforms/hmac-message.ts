import type { MessageTemplate, TemplatePart } from '../../../policy/message-template.ts'
import { headerValues, type HeaderList } from '../../http/headers.ts'
import { TransformRefused } from './refusal.ts'
import { splitTarget } from './sigv4-canonical.ts'

/** The parts of a request that a template names; texts hold bytes as Latin-1. */
export interface MessageParts {
  readonly method: string
  /** `Host` as it is sent upstream. */
  readonly host: string
  readonly target: string
  readonly headers: HeaderList
  readonly body: Buffer
  /** Undefined where the rule has no timestamp. */
  readonly timestamp: string | undefined
}

/** The bytes that are signed. Throws TransformRefused when the request lacks a header that the template names. */
export function renderMessage(template: MessageTemplate, request: MessageParts): Buffer {
  return Buffer.concat(template.map((part) => render(part, request)))
}

function render(part: TemplatePart, request: MessageParts): Buffer {
  switch (part.kind) {
    case 'text':
      return Buffer.from(part.text)
    case 'body':
      return request.body
    case 'header':
      return latin1(onlyHeader(request.headers, part.name))
    case 'path':
      return latin1(splitTarget(request.target)[0])
    case 'query':
      return latin1(splitTarget(request.target)[1])
    case 'timestamp':
      return latin1(request.timestamp ?? '')
    case 'method':
    case 'host':
    case 'target':
      return latin1(request[part.kind])
  }
}

/** Of two fields with one name a server may take either, so which of them was signed would be open. */
function onlyHeader(headers: HeaderList, name: string): string {
  const [value, ...others] = headerValues(headers, name)
  if (value === undefined || others.length > 0)
    throw new TransformRefused('request', `the signature needs exactly one header ${name}`)
  return value
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}
