import type { HeadContext } from '../inspect/inspector.ts'
import type { ProtectedValue } from '../secrets/binding.ts'
import type { ExchangeRecord } from './exchange-record.ts'
import type { InboundRequest } from './inbound.ts'
import type { Reply } from './reply.ts'

/** The two ends of an exchange, its record, and the request's head as inspectors saw it. */
export interface ExchangeEnds {
  readonly request: Pick<InboundRequest, 'protocol' | 'method'>
  readonly reply: Reply
  readonly record: ExchangeRecord
  readonly context: HeadContext
  /** What was made for the request alone and must not be seen in its response. */
  readonly signatures?: readonly ProtectedValue[] | undefined
}
