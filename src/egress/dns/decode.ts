import {
  HEADER_LENGTH,
  MAX_MESSAGE,
  RCODE,
  TYPE,
  type Edns,
  type Malformed,
  type Query,
  type QueryHeader,
  type Question,
  type StrayResponse,
} from './message.ts'

/**
 * Reads one message as a query: exactly one question, at most one OPT record, nothing else, nothing behind.
 * Everything looser has been a way to make two programs read two names out of one message. Never throws.
 */
export function decodeQuery(bytes: Buffer): Query | Malformed | StrayResponse {
  if (bytes.length < 4) return { kind: 'malformed', reason: 'shorter than id and flags' }
  const flags = bytes.readUInt16BE(2)
  if ((flags & FLAG.response) !== 0) return { kind: 'response' }
  const header: QueryHeader = {
    id: bytes.readUInt16BE(0),
    opcode: (flags >> 11) & 0xf,
    recursionDesired: (flags & FLAG.recursionDesired) !== 0,
    checkingDisabled: (flags & FLAG.checkingDisabled) !== 0,
  }
  if (header.opcode !== 0) {
    return { kind: 'malformed', reason: `opcode ${header.opcode}`, error: { header, rcode: RCODE.NOTIMP } }
  }
  const content = decodeContent(bytes, flags)
  if (typeof content === 'string') {
    return { kind: 'malformed', reason: content, error: { header, rcode: RCODE.FORMERR } }
  }
  return { kind: 'query', ...header, ...content }
}

const FLAG = { response: 0x8000, recursionDesired: 0x0100, checkingDisabled: 0x0010 } as const

/** AA, TC, RA, Z and RCODE mean something in responses only. AD may stand in a query (RFC 6840 section 5.7). */
const RESPONSE_ONLY_FLAGS = 0x0400 | 0x0200 | 0x0080 | 0x0040 | 0x000f

/** What follows id and flags, or the reason why it is not a question. */
function decodeContent(bytes: Buffer, flags: number): { question: Question; edns: Edns | undefined } | string {
  if (bytes.length < HEADER_LENGTH) return 'shorter than a header'
  if (bytes.length > MAX_MESSAGE) return `longer than ${MAX_MESSAGE} bytes`
  if ((flags & RESPONSE_ONLY_FLAGS) !== 0) return 'flags of a response in a query'
  if (bytes.readUInt16BE(4) !== 1) return 'not exactly one question'
  if (bytes.readUInt32BE(6) !== 0) return 'answer or authority records in a query'
  const additional = bytes.readUInt16BE(10)
  if (additional > 1) return 'more than one additional record'
  const question = decodeQuestion(bytes)
  if (typeof question === 'string') return question
  const end = HEADER_LENGTH + question.wire.length
  if (additional === 0) return end === bytes.length ? { question, edns: undefined } : 'bytes behind the question'
  const edns = decodeOpt(bytes, end)
  return typeof edns === 'string' ? edns : { question, edns }
}

/** A name on the wire takes at most 255 bytes, length bytes and root included; a label 63 (RFC 1035 section 2.3.4). */
const MAX_NAME = 255

function decodeQuestion(bytes: Buffer): Question | string {
  const labels: Buffer[] = []
  let at = HEADER_LENGTH
  for (;;) {
    const length = bytes[at]
    if (length === undefined) return 'name cut short'
    // Pointers (0xc0) have nothing to point at before the first name but the header; 0x40 and 0x80 are obsolete.
    if (length > 63) return 'compression pointer or unknown label type in the question'
    at += 1 + length
    if (at - HEADER_LENGTH > MAX_NAME) return `name longer than ${MAX_NAME} bytes`
    if (length === 0) break
    if (at > bytes.length) return 'name cut short'
    labels.push(bytes.subarray(at - length, at))
  }
  if (at + 4 > bytes.length) return 'question cut short'
  const type = bytes.readUInt16BE(at)
  if (type === TYPE.OPT) return 'OPT as a question'
  return { labels, type, class: bytes.readUInt16BE(at + 2), wire: bytes.subarray(HEADER_LENGTH, at + 4) }
}

/** Root name, type, UDP size, extended code, version, flags, length (RFC 6891 section 6.1.2). */
const OPT_FIXED_LENGTH = 11
const DNSSEC_OK = 0x8000

function decodeOpt(bytes: Buffer, start: number): Edns | string {
  const dataStart = start + OPT_FIXED_LENGTH
  if (dataStart > bytes.length) return 'additional record cut short'
  if (bytes[start] !== 0 || bytes.readUInt16BE(start + 1) !== TYPE.OPT) return 'an additional record that is not OPT'
  if (bytes[start + 5] !== 0) return 'response code in a query'
  if (dataStart + bytes.readUInt16BE(start + 9) !== bytes.length) return 'OPT record does not end with the message'
  if (!areOptionsWhole(bytes.subarray(dataStart))) return 'EDNS option cut short'
  return {
    udpPayloadSize: Math.max(512, bytes.readUInt16BE(start + 3)),
    version: bytes.readUInt8(start + 6),
    dnssecOk: (bytes.readUInt16BE(start + 7) & DNSSEC_OK) !== 0,
  }
}

/** Options (code, length, data) must fill the record exactly. None of them changes an answer, so none is read. */
function areOptionsWhole(data: Buffer): boolean {
  let at = 0
  while (at + 4 <= data.length) at += 4 + data.readUInt16BE(at + 2)
  return at === data.length
}
