/**
 * The configuration of one run in containers: what its owner wrote, with the command line's additions and the project, as a
 * text that means the same to the egress in its container.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runConfigText, WORKSPACE } from '../../../src/cage/container/run-config.ts'
import { parseConfig } from '../../../src/config/load.ts'
import type { Config } from '../../../src/config/schema.ts'
import { parseHostname } from '../../../src/policy/host.ts'

const OWN = `# mine
name: other
container: { image: localhost/a, volumes: ['~/data:/data:ro'] }
domains: { list: [api.test, { host: git.test, methods: [GET] }] }
secret_injection: [{ env: KEY, inject_to: [api.test], source: 'file:key' }]
upstream: { ca_file: ca.pem }
`

function textFor(own: string, allow: readonly string[] = [], secretNames: readonly string[] = []): Config {
  const hosts = allow.map((text) => {
    const host = parseHostname(text)
    assert.ok(host !== undefined)
    return host
  })
  const text = runConfigText({
    text: own,
    source: 'cage.yaml',
    path: '/etc/cage/cage.yaml',
    project: '/home/me/pro$ject',
    name: 'shot',
    additions: { allow: hosts, secretNames },
  })
  return parseConfig(text, 'text')
}

test('what its owner wrote stays; the project comes with it, and paths are absolute', () => {
  const config = textFor(OWN)
  const own = parseConfig(OWN, 'own')
  assert.deepEqual(config, {
    ...own,
    name: 'shot',
    container: { ...own.container, volumes: [`/home/me/pro$$ject:${WORKSPACE}`, '~/data:/data:ro'] },
    upstream: { ...own.upstream, ca_file: '/etc/cage/ca.pem' },
  })
})

test('a host and a known secret are added; without a list there is one then', () => {
  const config = textFor(OWN, ['more.test'], ['ANTHROPIC_API_KEY'])
  assert.deepEqual(config.domains?.list.at(-1), { host: 'more.test' })
  assert.deepEqual(
    config.secret_injection.map(({ env }) => env),
    ['KEY', 'ANTHROPIC_API_KEY'],
  )
  const bare = textFor('container: { image: localhost/a }\n', ['more.test'])
  assert.deepEqual(bare.domains, { mode: 'allowlist', list: [{ host: 'more.test' }] })
})

test('what is mounted at the project’s place already stays there', () => {
  for (const container of [
    "volumes: ['~/w:/workspace']",
    "tmpfs: ['/workspace:size=1m']",
    'named_volumes: { w: /workspace }',
  ]) {
    const config = textFor(`container: { image: localhost/a, ${container} }\n`)
    assert.equal(
      config.container.volumes.some((text) => text.startsWith('/home/me')),
      false,
    )
  }
})
