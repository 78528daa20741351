/**
 * The keys of `container` that Podman acts on: what they take, what they refuse, and that with `isolation: process` none
 * of them is passed over.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '../../src/config/load.ts'
import { configProblems } from './config-problems.ts'

test('what is absent is as safe as it can be', () => {
  const { container } = parseConfig('container: {image: docker.io/library/node:24}', 'cage.yaml')
  assert.equal(container.user, '1000:1000')
  assert.deepEqual(container.drop_capabilities, ['ALL'])
  assert.deepEqual([container.read_only, container.no_new_privileges], [true, true])
  assert.deepEqual([container.restart, container.restart_sec], ['on-failure', 10])
  assert.deepEqual([container.timeout_start_sec, container.timeout_stop_sec], [120, 30])
})

test('every key is taken as other versions wrote it', () => {
  const text = `
container:
  image: ghcr.io/openclaw/openclaw:latest
  named_volumes: {openclaw-state: /home/node/.openclaw:rw}
  tmpfs: [/tmp, "/cache:size=64m,mode=1777"]
  ports: ["127.0.0.1:18789:18789", "8080:80", "[::1]:8081:80"]
  podman_secrets: [GATEWAY_TOKEN]
  user: null
  memory: 4g
  cpus: 2
  drop_capabilities: ALL
  add_capabilities: [CAP_CHOWN]
  timeout_start_sec: null
`
  const { container } = parseConfig(text, 'cage.yaml')
  assert.equal(container.user, null)
  assert.equal(container.cpus, '2')
  assert.deepEqual(container.drop_capabilities, ['ALL'])
})

const PROCESS: Readonly<Record<string, string>> = {
  add_capabilities: '[]',
  cpus: '"2.0"',
  drop_capabilities: 'ALL',
  named_volumes: '{}',
  no_new_privileges: 'true',
  podman_secrets: '[A]',
  ports: '["1:1"]',
  read_only: 'false',
  security_label_disable: 'true',
  tmpfs: '[/x]',
  user: '"0:0"',
}

for (const [key, value] of Object.entries(PROCESS)) {
  test(`container.${key} without an image is an error at its place`, () => {
    const text = `container: {${key}: ${value}}`
    const [problem, ...more] = configProblems(text)
    assert.deepEqual(more, [])
    assert.match(problem?.message ?? '', new RegExp(`^container\\.${key} has no meaning with isolation: process: \\S`))
    assert.ok(text.slice((problem?.column ?? 0) - 1).startsWith(key))
    assert.deepEqual(configProblems(`container: {image: a, ${key}: ${value}}`), [])
  })
}

const REFUSED: readonly string[] = [
  'image: -it',
  'image: "a b"',
  'image: "$(id)"',
  'image: other.image',
  'image: a@sha256:12',
  'image: "a\nPodmanArgs=--privileged"',
  'named_volumes: {"../x": /data}',
  'named_volumes: {/etc: /data}',
  'named_volumes: {x.volume: /data}',
  'named_volumes: {x: data}',
  'named_volumes: {x: /a/../b}',
  'named_volumes: {x: "/data:exec"}',
  'tmpfs: [relative]',
  'tmpfs: ["/a:size=1m:rw"]',
  'tmpfs: ["/a b"]',
  'ports: [8080]',
  'ports: ["8080"]',
  'ports: ["0:80"]',
  'ports: ["8080:65536"]',
  'ports: ["localhost:8080:80"]',
  'ports: ["999.0.0.1:8080:80"]',
  'ports: ["8080:80/udp"]',
  'podman_secrets: ["A B"]',
  'user: "1000 --privileged"',
  'user: "-1"',
  'cpus: "-1"',
  'drop_capabilities: [net raw]',
  'add_capabilities: ["--privileged"]',
]

for (const line of REFUSED) {
  test(`refused: ${line}`, () => {
    assert.notDeepEqual(configProblems(`container: {image: a, ${line}}`.replace('image: a, image', 'image')), [])
  })
}

test('an image is required for a container, two ports cannot be one, and a secret is hidden or not', () => {
  const messages = (text: string): readonly string[] => configProblems(text).map(({ message }) => message)
  assert.deepEqual(messages('isolation: container'), ['container.image is required in config'])
  assert.match(messages('container: {image: a, ports: ["80:1", "80:2"]}')[0] ?? '', /same port .* 81 may be free/)
  const both = 'container: {image: a, podman_secrets: [KEY]}\nsecret_injection: [{env: KEY, inject_to: [a.example]}]'
  assert.match(messages(both)[0] ?? '', /"KEY" is in secret_injection too/)
})
