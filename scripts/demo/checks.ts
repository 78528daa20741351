import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { AuditRecord } from '../../src/audit/record.ts'
import type { Arrival } from './internet.ts'
import type { Outcome } from './probes/main.ts'

/** One thing that has to hold. */
export interface Check {
  readonly title: string
  readonly holds: boolean
  /** What was there to see. */
  readonly saw: string
}

/** What there is to judge by. */
export interface Evidence {
  /** The real key. */
  readonly key: string
  /** What was printed in the cage so far. */
  readonly output: string
  /** By the name of the probe. */
  readonly probes: Readonly<Record<string, Outcome>>
  /** What the servers saw. */
  readonly arrivals: readonly Arrival[]
  /** Connections that reached evil.example. */
  readonly strays: number
  readonly records: readonly AuditRecord[]
  /** Of the paths that exist on the host. */
  readonly hostFiles: readonly string[]
  /** Names in the project's .git/hooks, seen from the host. */
  readonly hooks: readonly string[]
}

type Judge = (evidence: Evidence) => readonly Check[]

export const checkAgent: Judge = ({ output, arrivals, strays, key }) => [
  expect('a host on the list answers: 200 from httpbin.org', output, /^200 {2}GET https:\/\/httpbin\.org\/get$/m),
  expect(
    'the API got the real key, which the agent never had',
    arrivals.filter(({ host }) => host === 'api.anthropic.com').map((arrival) => fingerprint(arrival.key)),
    [fingerprint(key)],
  ),
  expect(
    'a host off the list is refused: 403, with the reason',
    output,
    /^403 {2}GET https:\/\/evil\.example\/\n +domain not in allowlist: evil\.example$/m,
  ),
  expect('and no connection has reached it', strays, 0),
  expect(
    'a key in a body is caught: 403, it is not for httpbin.org',
    output,
    /^403 {2}POST https:\/\/httpbin\.org\/post\n +placeholder ANTHROPIC_API_KEY sent to unauthorized domain httpbin\.org$/m,
  ),
  expect('the same without the key passes: 200', output, /^200 {2}POST https:\/\/httpbin\.org\/post$/m),
]

export const checkKey: Judge = ({ probes, arrivals, output, records, key }) => {
  const placeholder = probes['key in the environment']?.['value'] ?? ''
  const echo = { status: '200', coding: 'identity', header: placeholder, key: placeholder, body: placeholder }
  const given = arrivals.filter(({ path }) => path === '/v1/messages')
  return [
    expect('in the cage it is a placeholder', placeholder, /^agentcage:secret:ANTHROPIC_API_KEY:[0-9a-f]{32}$/),
    expect(
      `upstream it is the key in its header: SHA-256 ${fingerprint(key)}`,
      given.map((arrival) => fingerprint(arrival.key)),
      [fingerprint(key), fingerprint(key)],
    ),
    expect(
      'and in a body, where no credential belongs, still the placeholder',
      given.map((arrival) => fingerprint(arrival.body)),
      [fingerprint(placeholder), fingerprint(placeholder)],
    ),
    expect('echoed in a header and a body, it comes back as the placeholder', probes['key echoed'], echo),
    expect('echoed in gzip as well', probes['key echoed in gzip'], { ...echo, coding: 'gzip' }),
    expect('the real key, found in a leaked file, is caught on its way: 403', probes['real key in a body'], {
      ...DENIED,
      reason: 'literal secret value ANTHROPIC_API_KEY found in outbound request to httpbin.org',
    }),
    expect(
      'the key is in nothing that was printed or recorded',
      output.includes(key) || JSON.stringify(records).includes(key),
      false,
    ),
  ]
}

export const checkNetwork: Judge = ({ probes, records, strays }) => [
  expect(
    'proxy variables cleared: the same 200 and 403',
    [probes['no proxy, on the list'], probes['no proxy, off the list']],
    [
      { status: '200', by: 'a server', reason: '' },
      { ...DENIED, reason: 'domain not in allowlist: evil.example' },
    ],
  ),
  expect(
    'a raw socket to 203.0.113.7:443: closed without a word, recorded',
    [probes['raw socket'], records.find(({ protocol, port }) => protocol === 'raw' && port === 443)?.code],
    [{ answer: '' }, 'protocol_unsupported'],
  ),
  expect(
    'an IPv6 literal, [2001:db8::7]: 403',
    probes['IPv6 literal']?.['answer'] ?? probes['IPv6 literal'],
    /^HTTP\/1\.1 403 [^]*"by":"agentcage"/,
  ),
  expect("the cloud's metadata, 169.254.169.254: 403", probes['cloud metadata'], {
    ...DENIED,
    reason: 'domain not in allowlist: 169.254.169.254',
  }),
  expect('other ports, :22 and :8443: refused', [probes['port 22'], probes['port 8443']], [REFUSED, REFUSED]),
  expect('SSH by way of the proxy, to an allowed host: closed without a word', probes['port 22 by proxy'], {
    answer: '',
  }),
  expect(
    'UDP to 203.0.113.7, ports 123 and 443: nothing comes back',
    ['UDP port 123', 'UDP port 443'].filter((name) => probes[name]?.['answer'] === 'answered'),
    [],
  ),
  expect('a DNS tunnel, half of it by 8.8.8.8: 50 of 50 names led to 198.51.100.1', probes['DNS tunnel'], {
    '198.51.100.1': '50',
  }),
  expect('evil.example has still not been reached', strays, 0),
]

export const checkHost: Judge = ({ probes, hostFiles, hooks }) => [
  expect(
    "the CA's key, the audit log, ~/.ssh/id_ed25519: they are there, but not in the cage",
    probes['files of the host'],
    Object.fromEntries(hostFiles.map((path) => [path, 'ENOENT'])),
  ),
  expect('a git hook, to be run outside later: not written', [probes['git hook'], hooks], [READ_ONLY, []]),
  expect('its own policy, cage.yaml: not written', probes['own policy'], READ_ONLY),
]

const DENIED = { status: '403', by: 'agentcage' }
const REFUSED = { failure: 'ECONNREFUSED' }
const READ_ONLY = { result: 'EROFS' }

/** `wanted`: what `saw` has to equal, or has to match. */
export function expect(title: string, saw: unknown, wanted: unknown): Check {
  const holds = wanted instanceof RegExp ? typeof saw === 'string' && wanted.test(saw) : isDeepStrictEqual(saw, wanted)
  return { title, holds, saw: typeof saw === 'string' ? saw : (JSON.stringify(saw) ?? 'nothing') }
}

/** Enough of a SHA-256 to tell values apart, and too little to find one. */
function fingerprint(value: string): string {
  return createHash('sha256').update(value).digest('hex').slice(0, 16)
}
