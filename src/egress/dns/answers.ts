import type { AuditFinding } from '../../audit/record.ts'
import { isAddress, isWithin, parseHostname, type Hostname } from '../../policy/host.ts'
import type { Response } from './encode.ts'
import { CLASS_IN, RCODE, TYPE, typeName, type AddressRecord, type Query } from './message.ts'

/** What is said of a name that is asked for. */
export interface NameRuling {
  /** `blocked` leads nowhere, everything else to the egress. */
  readonly decision: 'allowed' | 'flagged' | 'blocked'
  /** '' when there is nothing to say. */
  readonly reason: string
  /** Of a denial; `domain_denied` when absent. */
  readonly code?: string
  /** What inspectors found. */
  readonly findings?: readonly AuditFinding[]
}

/** What the answers depend on. */
export interface Zone {
  /** Whether a name leads to the egress or nowhere; `type` is `A`, `HTTPS`, …. Nothing is looked up. */
  readonly decide: (host: Hostname, type: string) => NameRuling
  /** Where the workload finds the egress. */
  readonly egressAddress: { readonly ipv4: string; readonly ipv6?: string | undefined }
}

export interface Answer extends Response, NameRuling {}

/** Where names off the list lead: TEST-NET-2 (RFC 5737), routed nowhere. */
export const SINKHOLE = '198.51.100.1'

/** Seconds. Short, because an edit of the policy takes effect at once. */
const TTL = 30

/**
 * Answers a query out of nothing but the query itself and the policy. Nothing that a workload asks is sent anywhere,
 * so a name cannot carry data out, and no answer from outside can come in.
 */
export function answer(query: Query, zone: Zone): Answer {
  const { question, edns } = query
  if (edns !== undefined && edns.version !== 0) return refuse(RCODE.BADVERS, `EDNS version ${edns.version}`)
  if (question.class !== CLASS_IN) return refuse(RCODE.REFUSED, `class ${question.class}`)
  if (isMetaType(question.type)) return refuse(RCODE.REFUSED, `${typeName(question.type)} is not answered`)
  if (question.labels.length === 0) return { ...NO_DATA, decision: 'blocked', reason: 'the root' }
  const host = hostOf(question.labels)
  if (host === undefined) return noSuchName('not a host name')
  if (isWithin(host, LOCALHOST)) return withAddresses(question.type, { ipv4: '127.0.0.1', ipv6: '::1' }, ALLOWED)
  const absent = reasonForAbsence(host)
  if (absent !== undefined) return noSuchName(absent)
  const ruling = zone.decide(host, typeName(question.type))
  return withAddresses(question.type, ruling.decision === 'blocked' ? { ipv4: SINKHOLE } : zone.egressAddress, ruling)
}

const ALLOWED: NameRuling = { decision: 'allowed', reason: '' }

/** RFC 6895 section 3.1: types that ask for an operation, such as a transfer. ANY is let through: mail programs ask it. */
function isMetaType(type: number): boolean {
  return type >= 128 && type < TYPE.ANY
}

/**
 * The name as the policy compares it. Each label is checked before they are joined: a label may hold a dot on the wire,
 * and the single label `api.example.com` joined carelessly reads as a name on the list, the single label `x.api` below
 * `example.com` as another name than the one that was asked.
 */
export function hostOf(labels: readonly Buffer[]): Hostname | undefined {
  const texts = labels.map((label) => label.toString('latin1'))
  if (!texts.every((text) => /^[A-Za-z0-9_-]+$/.test(text))) return undefined
  const host = parseHostname(texts.join('.'))
  return host === undefined || isAddress(host) ? undefined : host
}

/** RFC 6761 section 6.3: always the workload's own loopback. */
const LOCALHOST = zoneName('localhost')

/** Zones that do not exist here, whatever the policy says. */
const ABSENT: ReadonlyMap<Hostname, string> = new Map([
  // Browsers that find no such name leave DNS over HTTPS off and keep asking us.
  [zoneName('use-application-dns.net'), 'canary that turns DNS over HTTPS off'],
  // Reverse look-ups, and offers of other resolvers (resolver.arpa, RFC 9462).
  [zoneName('arpa'), 'infrastructure name'],
  [zoneName('invalid'), 'never exists (RFC 6761)'],
  [zoneName('onion'), 'never asked of DNS (RFC 7686)'],
])

function reasonForAbsence(host: Hostname): string | undefined {
  if (!host.includes('.')) return 'single-label name'
  for (const [zone, reason] of ABSENT) if (isWithin(host, zone)) return reason
  return undefined
}

function zoneName(text: string): Hostname {
  const host = parseHostname(text)
  if (host === undefined) throw new TypeError(`not a zone: ${text}`)
  return host
}

const NO_DATA: Response = { rcode: RCODE.NOERROR, answers: [], soa: true }

/**
 * A and AAAA records, as far as there are any. Other types are empty: HTTPS and SVCB records would bring in encrypted
 * client hellos and HTTP/3. ANY gets what A gets, a subset as RFC 8482 section 4.1 has it.
 */
function withAddresses(type: number, addresses: Zone['egressAddress'], ruling: NameRuling): Answer {
  const record = recordFor(type, addresses)
  if (record === undefined) return { ...NO_DATA, ...ruling, reason: ruling.reason || `no ${typeName(type)} data` }
  return { rcode: RCODE.NOERROR, answers: [record], soa: false, ...ruling }
}

function recordFor(type: number, { ipv4, ipv6 }: Zone['egressAddress']): AddressRecord | undefined {
  if (type === TYPE.A || type === TYPE.ANY) return { type: 'A', address: ipv4, ttl: TTL }
  if (type === TYPE.AAAA && ipv6 !== undefined) return { type: 'AAAA', address: ipv6, ttl: TTL }
  return undefined
}

function noSuchName(reason: string): Answer {
  return { rcode: RCODE.NXDOMAIN, answers: [], soa: true, decision: 'blocked', reason }
}

function refuse(rcode: Answer['rcode'], reason: string): Answer {
  return { rcode, answers: [], soa: false, decision: 'blocked', reason }
}
