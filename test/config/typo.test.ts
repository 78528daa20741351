/** One slip of a finger in any key of a right configuration is refused, and the message names the key that was meant. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { stringify } from 'yaml'
import { configProblems } from './config-problems.ts'

const RIGHT = {
  name: 'my-cage',
  isolation: 'process',
  domains: {
    mode: 'allowlist',
    list: [
      { host: 'a.example', ports: [443], methods: ['GET'], paths: ['/'], expires: '2026-12-31T18:00:00Z' },
      { host: 'b.example' },
    ],
  },
  secret_injection: [{ env: 'KEY', placeholder: 'placeholder', inject_to: ['*'] }],
  rate_limit: { requests_per_second: 1, burst: 1 },
  max_request_body: 1,
  logging: { dns_queries: true, allowed_requests: true },
  dns_servers: [],
  ports: { tcp: { allow: [443] } },
  upstream: { proxy: 'http://proxy.example', ca_file: 'ca.pem', allow_addresses: [], connect_to: {} },
  container: { image: 'x', volumes: [], env: {}, memory: '1g', pids: 100, allow_credential_mounts: [] },
}

type Path = readonly (string | number)[]
type Slip = 'leave out' | 'put in' | 'mistake' | 'swap'

const slip = fc.record({
  path: fc.constantFrom(...keyPaths(RIGHT, [])),
  how: fc.constantFrom<Slip>('leave out', 'put in', 'mistake', 'swap'),
  at: fc.nat(40),
  letter: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz_-X1'.split('')),
})

test('the configuration itself is right', () => {
  assert.deepEqual(configProblems(stringify(RIGHT)), [])
})

test('any slip in any key is refused with the key that was meant', () => {
  const property = fc.property(slip, ({ path, how, at, letter }) => {
    const key = String(path.at(-1))
    const typo = mistyped(key, how, at % key.length, letter)
    fc.pre(typo !== key && typo !== '')
    const messages = configProblems(stringify(renamed(RIGHT, path, typo))).map(({ message }) => message)
    assert.ok(
      messages.some(
        (message) => message.startsWith(`unknown key "${typo}"`) && message.endsWith(`(did you mean "${key}"?)`),
      ),
      `${path.join('.')} as ${typo}: ${messages.join('; ')}`,
    )
  })
  fc.assert(property, { numRuns: 150 })
})

function mistyped(key: string, how: Slip, at: number, letter: string): string {
  switch (how) {
    case 'leave out':
      return key.slice(0, at) + key.slice(at + 1)
    case 'put in':
      return key.slice(0, at) + letter + key.slice(at)
    case 'mistake':
      return key.slice(0, at) + letter + key.slice(at + 1)
    case 'swap':
      return key.slice(0, at) + key.slice(at + 1, at + 2) + key.slice(at, at + 1) + key.slice(at + 2)
  }
}

function* keyPaths(value: unknown, path: Path): Generator<Path> {
  if (Array.isArray(value)) {
    for (const [index, entry] of value.entries()) yield* keyPaths(entry, [...path, index])
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, entry] of Object.entries(value)) {
      yield [...path, key]
      yield* keyPaths(entry, [...path, key])
    }
  }
}

/** A copy in which the key at the end of `path` has another name. */
function renamed(value: unknown, path: Path, name: string): unknown {
  const [part, ...rest] = path
  if (Array.isArray(value))
    return value.map((entry: unknown, index) => (index === part ? renamed(entry, rest, name) : entry))
  return Object.fromEntries(
    Object.entries(value as object).map(([key, entry]: [string, unknown]) => {
      if (key !== part) return [key, entry]
      return rest.length === 0 ? [name, entry] : [key, renamed(entry, rest, name)]
    }),
  )
}
