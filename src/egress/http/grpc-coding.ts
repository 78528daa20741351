import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { Denial } from '../denial.ts'
import type { GrpcMessage } from './grpc-framer.ts'

/** Off the event loop: a message may be small and its text large. */
export async function plain(
  { compressed, payload }: GrpcMessage,
  encoding: string | undefined,
  maxBytes: number,
): Promise<Buffer> {
  if (!compressed || encoding === 'identity') return payload
  if (encoding !== 'gzip')
    throw new Denial('encoding_unsupported', 'the gRPC message has a coding that cannot be decoded')
  try {
    return await inflate(payload, { maxOutputLength: maxBytes === 0 ? UNBOUNDED_MESSAGE_BYTES : maxBytes })
  } catch (error) {
    throw new Denial('bad_request', 'the gRPC message cannot be decompressed', { cause: error })
  }
}

const inflate = promisify(gunzip)

/** Where `max_request_body: 0` sets no bound, a decompression bomb still meets one. */
const UNBOUNDED_MESSAGE_BYTES = 64 * 1024 * 1024
