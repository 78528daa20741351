import type { EgressCore } from '../core.ts'
import type { ExchangeRecord } from './exchange-record.ts'
import { plain } from './grpc-coding.ts'
import type { GrpcMessage } from './grpc-framer.ts'
import { rewriteProtobuf } from './protobuf.ts'
import type { Destination } from './route.ts'

/** A message back with placeholders for values. What was compressed and has to change is sent as it is. */
export async function redactMessage(
  core: EgressCore,
  message: GrpcMessage,
  { encoding, redacted }: { readonly encoding: string | undefined; readonly redacted: Set<string> },
): Promise<GrpcMessage> {
  const { secrets, maxBodyBytes } = core.ruling()
  if (secrets.isEmpty) return message
  const text = await plain(message, encoding, maxBodyBytes)
  const payload = rewriteProtobuf(text, (bytes) => {
    const redactor = secrets.bodyRedactor()
    const clean = redactor.whole(bytes)
    for (const name of redactor.redacted) redacted.add(name)
    return clean
  })
  return payload === text ? message : { compressed: false, payload }
}

/** A message out with values for placeholders, where a rule asks for that. The last that is done to it. */
export async function injectMessage(
  core: EgressCore,
  { destination, record }: { readonly destination: Destination; readonly record: ExchangeRecord },
  { message, encoding }: { readonly message: GrpcMessage; readonly encoding: string | undefined },
): Promise<GrpcMessage> {
  const { secrets, maxBodyBytes } = core.ruling()
  if (!secrets.canInject(destination.authority)) return message
  const text = await plain(message, encoding, maxBodyBytes)
  const payload = rewriteProtobuf(text, (body) => {
    const injection = secrets.inject({ ...destination, method: 'POST', target: '', headers: [], body })
    record.noteInjection(injection)
    return injection.body
  })
  return payload === text ? message : { compressed: false, payload }
}
