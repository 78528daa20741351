import type { EgressCore } from '../core.ts'
import type { HeadContext } from '../inspect/inspector.ts'
import { checkDeclaredLength, holdExchange, readBody, unreadBytes } from './body.ts'
import { forward } from './forward.ts'
import { isGrpcType, relayGrpc } from './grpc.ts'
import { headerValue } from './headers.ts'
import type { InboundRequest } from './inbound.ts'
import { accept, judgeHead } from './judgement.ts'
import { deny, denialFor, recordFor } from './refusal.ts'
import type { Reply } from './reply.ts'

/**
 * One request from arrival to audit record: authority, rate, policy, body, inspectors, injector, upstream, redactor.
 * Never rejects: whatever goes wrong becomes a denial, and a denial that cannot be recorded breaks the connection.
 */
export async function handleExchange(core: EgressCore, request: InboundRequest, reply: Reply): Promise<void> {
  const record = recordFor(core, request)
  let held = 0
  try {
    held = holdExchange(core.budget, request)
    const { destination, context } = await judgeHead(core, request, record)
    const allRead = (): void => {
      const unread = unreadBytes(request)
      core.budget.release(unread)
      held -= unread
    }
    if (isGrpc(context)) {
      if (request.hasBody) request.body.once('end', allRead)
      return await relayGrpc(core, { request, reply, record, destination, context })
    }
    // Nothing is waited for where the answer is there.
    const received = receiveBody(core, request)
    const body = received instanceof Promise ? await received : received
    allRead()
    held += body.length
    const { chain } = core.ruling()
    const { method } = request
    const result = chain.inspectRequest({ ...context, priorResults: record.findings, body })
    const query = { ...destination.authority, method, path: destination.path }
    accept(record, result instanceof Promise ? await core.live.during(query, result) : result)
    await forward(core, { method, destination, headers: context.headers, body }, { request, reply, record, context })
  } catch (error) {
    deny(core, record, reply, denialFor(core, error, request))
  } finally {
    // Not before the workload has taken the answer, or is gone.
    if (held > 0) reply.onClose(() => core.budget.release(held))
  }
}

const NOTHING = Buffer.alloc(0)

function isGrpc({ protocol, contentType }: HeadContext): boolean {
  return protocol === 'h2' && isGrpcType(contentType)
}

function receiveBody(core: EgressCore, request: InboundRequest): Buffer | Promise<Buffer> {
  const { maxBodyBytes } = core.ruling()
  checkDeclaredLength(headerValue(request.headers, 'content-length'), maxBodyBytes)
  if (!request.hasBody) return NOTHING
  request.proceed?.()
  return readBody(request.body, { maxBytes: maxBodyBytes, budget: core.budget })
}
