import { TransformRefused } from './refusal.ts'
import { EMPTY_SHA256, equalSignatures, scopeText, sha256, sign, type SigningTime } from './sigv4-signature.ts'

/** The values of `x-amz-content-sha256` that announce a body in signed chunks ("Signature calculations … chunked upload", Amazon S3). */
export type ChunkedPayload = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' | 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'

/** How the chunks of one body are signed: each signature covers the one before, the first that of the request. */
export interface ChunkSigner {
  readonly key: Buffer
  readonly signing: SigningTime
  /** The request's own signature. */
  readonly seed: string
}

/** What a signature in the body covers, and where its 64 hex digits stand. */
interface SignedPart {
  readonly kind: 'PAYLOAD' | 'TRAILER'
  readonly data: Buffer
  readonly signatureAt: number
}

const SIGNATURE_DIGITS = 64
/** A chunk's head is its size and its signature: `10000;chunk-signature=…`. */
const MAX_HEAD = 128
const MAX_TRAILER = 8192
/** As S3 asks of all but the last. Each chunk costs six hashes: of single bytes, a body would hold up everybody for seconds. */
const MIN_CHUNK = 8192

/**
 * A copy of the body whose chunks bear the signatures of `real`. Throws TransformRefused for a body that is not made of
 * chunks, or whose signatures are not those of `decoy`.
 */
export function signChunks(
  body: Buffer,
  payload: ChunkedPayload,
  { decoy, real }: { readonly decoy: ChunkSigner; readonly real: ChunkSigner },
): Buffer {
  const signed = Buffer.from(body)
  let [expected, own] = [decoy.seed, real.seed]
  for (const part of readParts(body, payload)) {
    expected = signPart(part, decoy, expected)
    const given = body.toString('latin1', part.signatureAt, part.signatureAt + SIGNATURE_DIGITS)
    if (!equalSignatures(given, expected)) throw refused('a chunk has another signature')
    own = signPart(part, real, own)
    signed.write(own, part.signatureAt, 'latin1')
  }
  return signed
}

function signPart({ kind, data }: SignedPart, { key, signing }: ChunkSigner, previous: string): string {
  const lines = [`AWS4-HMAC-SHA256-${kind}`, signing.time, scopeText(signing.scope), previous]
  return sign(key, kind === 'TRAILER' ? [...lines, sha256(data)] : [...lines, EMPTY_SHA256, sha256(data)])
}

function* readParts(body: Buffer, payload: ChunkedPayload): Generator<SignedPart> {
  let at = 0
  let wasShort = false
  for (let isLast = false; !isLast;) {
    const { size, signatureAt, dataAt } = readHead(body, at)
    isLast = size === 0
    if (wasShort && !isLast) throw refused('a chunk before the last is shorter than 8 KiB')
    wasShort = size < MIN_CHUNK
    const end = dataAt + size
    if (end > body.length) throw refused('a chunk is cut short')
    yield { kind: 'PAYLOAD', data: body.subarray(dataAt, end), signatureAt }
    at = end
    if (!isLast) at = pastLineEnd(body, at)
  }
  if (payload.endsWith('-TRAILER')) at = yield* readTrailer(body, at)
  if (pastLineEnd(body, at) !== body.length) throw refused('something follows the last chunk')
}

function readHead(body: Buffer, at: number): { size: number; signatureAt: number; dataAt: number } {
  const head = body.toString('latin1', at, at + MAX_HEAD)
  const match = /^([0-9a-fA-F]{1,8});chunk-signature=([0-9a-f]{64})\r\n/.exec(head)
  if (match?.[1] === undefined) throw refused('a chunk does not begin with its size and signature')
  const dataAt = at + match[0].length
  return { size: Number.parseInt(match[1], 16), signatureAt: dataAt - 2 - SIGNATURE_DIGITS, dataAt }
}

/** Fields, each on a line, and the signature over them with line feeds; gives where the empty line begins. */
function* readTrailer(body: Buffer, at: number): Generator<SignedPart, number> {
  const text = body.toString('latin1', at, at + MAX_TRAILER)
  const match = /^((?:[a-z0-9-]{1,128}: ?[\x21-\x7e]*\r\n)+)x-amz-trailer-signature: ?([0-9a-f]{64})\r\n/.exec(text)
  if (match?.[1] === undefined) throw refused('the trailer is malformed')
  const fields = match[1].replaceAll(': ', ':').replaceAll('\r\n', '\n')
  const end = at + match[0].length
  yield { kind: 'TRAILER', data: Buffer.from(fields, 'latin1'), signatureAt: end - 2 - SIGNATURE_DIGITS }
  return end
}

function pastLineEnd(body: Buffer, at: number): number {
  if (body[at] !== 0x0d || body[at + 1] !== 0x0a) throw refused('a chunk does not end with its line')
  return at + 2
}

function refused(problem: string): TransformRefused {
  return new TransformRefused('request', `the body in signed chunks cannot be used: ${problem}`)
}
