/**
 * What a right configuration means: defaults where a key is absent, nothing reachable where nothing is said,
 * hosts in the one form in which they are compared.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectTargets } from '../../src/config/connect-targets.ts'
import { parseConfig } from '../../src/config/load.ts'

const EVERY_KEY = `
name: my-cage
isolation: process
domains:
  mode: allowlist
  list:
    - Example.COM.
    - host: api.example.org
      ports: [443, 8443]
      methods: [GET, POST]
      paths: [/v1]
      expires: 2026-12-31T18:00:00+01:00
secret_injection:
  - env: API_KEY
    placeholder: placeholder-of-the-key
    inject_to:
      - Api.Example.ORG
      - {host: b.example, ports: [8443], methods: [POST], paths: [/v1]}
      - http://Plain.example
      - https://c.example
      - {host: d.example, scheme: http, ports: [8080]}
    inject_headers: [X-Secret, cookie]
    inject_body: true
  - env: EVERYWHERE
    inject_to: ['*']
rate_limit: {requests_per_second: 0.5, burst: 5}
max_request_body: 1024
logging: {dns_queries: true, allowed_requests: false}
dns_servers: [192.0.2.53, '2001:db8::53']
ports: {tcp: {allow: [80, 443, 8080]}}
upstream:
  proxy: http://user:password@proxy.example:3128
  ca_file: ca.pem
  allow_addresses: [10.1.0.0/16, fd00::/8]
  connect_to: {'API.test:443': '127.0.0.1:9443'}
container:
  image: node:22-slim
  volumes: ['./src:/src:ro']
  env: {LOG_LEVEL: debug, PORT: 8080, VERBOSE: true}
  memory: 4g
  pids: 512
  allow_credential_mounts: [~/.ssh]
`

for (const empty of ['', '# nothing yet\n', '---\n', '{}', '\ufeff']) {
  test(`${JSON.stringify(empty)} is a configuration with which nothing is reachable`, () => {
    const config = parseConfig(empty, 'cage.yaml')
    assert.equal(config.domains, undefined)
    assert.deepEqual(config.secret_injection, [])
    assert.deepEqual(config.rate_limit, { requests_per_second: 10, burst: 50 })
    assert.equal(config.max_request_body, 10_485_760)
    assert.deepEqual(config.logging, { dns_queries: false, allowed_requests: true })
    assert.deepEqual(config.ports.tcp.allow, [80, 443])
    assert.deepEqual(config.upstream, { allow_addresses: [], connect_to: {} })
  })
}

test('every key is taken', () => {
  const config = parseConfig(EVERY_KEY, 'cage.yaml')
  assert.equal(config.name, 'my-cage')
  assert.deepEqual(config.domains?.list, [
    { host: 'example.com' },
    {
      host: 'api.example.org',
      ports: [443, 8443],
      methods: ['GET', 'POST'],
      paths: ['/v1'],
      expires: new Date('2026-12-31T17:00:00Z'),
    },
  ])
  assert.deepEqual(config.secret_injection, [
    {
      env: 'API_KEY',
      placeholder: 'placeholder-of-the-key',
      inject_to: [
        { host: 'api.example.org' },
        { host: 'b.example', ports: [8443], methods: ['POST'], paths: ['/v1'] },
        { host: 'plain.example', scheme: 'http' },
        { host: 'c.example' },
        { host: 'd.example', scheme: 'http', ports: [8080] },
      ],
      inject_headers: ['x-secret', 'cookie'],
      inject_body: true,
    },
    { env: 'EVERYWHERE', inject_to: [{ host: '*' }], inject_headers: [], inject_body: false },
  ])
  assert.deepEqual(config.container.env, { LOG_LEVEL: 'debug', PORT: '8080', VERBOSE: 'true' })
  assert.equal(config.container.memory, '4g')
  assert.deepEqual([...connectTargets(config)], [['api.test:443', { host: '127.0.0.1', port: 9443 }]])
})

test('an empty section has the defaults of its keys', () => {
  const config = parseConfig('domains: {}\nlogging: {}\n', 'cage.yaml')
  assert.deepEqual(config.domains, { mode: 'allowlist', list: [] })
  assert.deepEqual(config.logging, { dns_queries: false, allowed_requests: true })
})

test('a domain may be listed twice', () => {
  const config = parseConfig('domains: {list: [a.example, A.example., a.example]}', 'cage.yaml')
  assert.equal(config.domains?.list.length, 3)
})

test('anchors and aliases save typing', () => {
  const config = parseConfig(
    'domains: {list: &hosts [a.example]}\nsecret_injection:\n  - {env: A, inject_to: *hosts}\n',
    'cage.yaml',
  )
  assert.deepEqual(config.secret_injection[0]?.inject_to, [{ host: 'a.example' }])
})

test('Windows line ends and a byte order mark do not matter', () => {
  assert.equal(parseConfig('\ufeffname: a\r\nisolation: process\r\n', 'cage.yaml').isolation, 'process')
})
