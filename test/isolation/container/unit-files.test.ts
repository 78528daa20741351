/**
 * The five quadlets of a cage, as they are read by Podman's generator: what they say for an ordinary cage and for one
 * that sets everything, and that nothing in a configuration can add a directive to them.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { cageQuadlets, type CagePlan } from '../../../src/isolation/container/unit-files.ts'
import { imageTrust } from '../../../src/isolation/trust/trust.ts'
import { CageError } from '../../../src/errors.ts'
import { assertGolden } from '../../support/golden.ts'

const TRUST = '/home/u/.local/state/agentcage/cages/demo/trust'

test('an ordinary cage', () => {
  assertGolden(join(import.meta.dirname, 'golden/ordinary.txt'), text(ORDINARY))
})

test('a cage that sets every key', () => {
  assertGolden(join(import.meta.dirname, 'golden/everything.txt'), text(EVERYTHING))
})

test('the workload is on the internal network only, and its secrets are not', () => {
  const [network, , , proxy, cage] = cageQuadlets(ORDINARY).map(({ content }) => content)
  assert.match(network ?? '', /^Internal=true$/m)
  assert.match(network ?? '', /^DisableDNS=true$/m)
  assert.deepEqual(cage?.match(/^Network=.*$/gm), ['Network=demo-net.network:ip=10.89.7.2,mac=02:00:0a:59:07:02'])
  assert.match(proxy ?? '', /^Volume=demo-certs\.volume:/m)
  assert.doesNotMatch(cage ?? '', /certs\.volume|deployments/)
  assert.doesNotMatch(cage ?? '', /^PublishPort=/m)
})

test('no value adds a directive: the same lines, in the same order, whatever it holds', () => {
  const shape = (plan: CagePlan): readonly string[] => cageQuadlets(plan).flatMap(({ content }) => names(content))
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom(
      'x\nPodmanArgs=--privileged',
      'x\r\n[Service]',
      '\\',
      'x\\\ny',
      '"',
      "'",
      '%n',
      '$HOME',
      '${X}',
      ' # x',
      ';',
    ),
  )
  fc.assert(
    fc.property(hostile, hostile, hostile, (one, two, three) => {
      const withTexts = (first: string, other: string, last: string): CagePlan => ({
        ...ORDINARY,
        agent: {
          ...ORDINARY.agent,
          environment: { ONE: first },
          settings: { ...ORDINARY.agent.settings, command: ['run', other], image: last },
        },
      })
      let found: readonly string[]
      try {
        found = shape(withTexts(one, two, three))
      } catch (error) {
        assert.ok(error instanceof CageError && error.code === 'config_invalid', String(error))
        return
      }
      assert.deepEqual(found, shape(withTexts('a', 'b', 'c')))
    }),
    { numRuns: 500 },
  )
})

test('percent signs and dollars reach the container as they are', () => {
  const cage = cageQuadlets({
    ...ORDINARY,
    agent: {
      ...ORDINARY.agent,
      environment: { A: '100% of $HOME' },
      settings: { ...ORDINARY.agent.settings, command: ['echo', '$1 %i'] },
    },
  })[4]?.content
  assert.match(cage ?? '', /^Environment="A=100%% of \$\$HOME"$/m)
  assert.match(cage ?? '', /^Exec=echo "\$\$1 %%i"$/m)
})

test('who the workload is outside: never the user, unless folders of theirs are mounted', () => {
  const identity = (user: string | null, volumes: CagePlan['agent']['volumes']): readonly string[] => {
    const plan = { ...ORDINARY, agent: { ...ORDINARY.agent, volumes, settings: { ...ORDINARY.agent.settings, user } } }
    return cageQuadlets(plan)[4]?.content.match(/^User(?:NS)?=.*$/gm) ?? []
  }
  const folder = [{ kind: 'bind', source: '/home/u/p', target: '/p', writable: true }] as const
  assert.deepEqual(identity('1000:1000', []), ['User=1000:1000'])
  assert.deepEqual(identity('1000:100', folder), ['User=1000:100', 'UserNS=keep-id:uid=1000,gid=100'])
  assert.deepEqual(identity('5', folder), ['User=5', 'UserNS=keep-id:uid=5,gid=5'])
  for (const user of ['0:0', 'root', 'node'])
    assert.deepEqual(identity(user, folder), [`User=${user}`, 'UserNS=keep-id:uid=65533,gid=65533'])
  assert.deepEqual(identity(null, []), ['UserNS=keep-id:uid=65533,gid=65533'])
})

test('a workload that writes to folders of the host has a seccomp profile of its own, others have Podman’s', () => {
  const profile = (volumes: CagePlan['agent']['volumes']): readonly string[] =>
    cageQuadlets({ ...ORDINARY, agent: { ...ORDINARY.agent, volumes } }).flatMap(({ name, content }) =>
      (content.match(/^SeccompProfile=.*$/gm) ?? []).map((line) => `${name} ${line}`),
    )
  const folder = { kind: 'bind', source: '/home/u/p', target: '/p' } as const
  assert.deepEqual(profile([{ ...folder, writable: true }]), [
    `demo-cage.container SeccompProfile=${ORDINARY.agent.seccompProfile}`,
  ])
  assert.deepEqual(profile([{ ...folder, writable: false }]), [])
  assert.deepEqual(profile([]), [])
})

test('what is the cage’s own is not replaced', () => {
  const refused = (settings: Partial<CagePlan['agent']['settings']>, environment = {}): void => {
    const agent = { ...ORDINARY.agent, environment, settings: { ...ORDINARY.agent.settings, ...settings } }
    assert.throws(() => cageQuadlets({ ...ORDINARY, agent }), CageError, JSON.stringify(settings))
  }
  refused({ named_volumes: { 'agentcage-certs-other': '/data' } })
  for (const path of ['/', '/etc', '/etc/ssl', '/etc/ssl/certs', '/run/agentcage/x', '/proc', '/sys/fs', '/dev'])
    refused({ named_volumes: { data: path } })
  refused({ tmpfs: ['/etc/resolv.conf'] })
  refused({}, { HTTPS_PROXY: 'http://elsewhere:1' })
  refused({}, { SSL_CERT_FILE: '/x' })
  refused({ image: undefined })
})

test('published ports go to the proxy under numbers that it does not capture', () => {
  const published = [
    { bind: '127.0.0.1', outside: 3000, inside: 80 },
    { bind: '0.0.0.0', outside: 3001, inside: 80 },
  ]
  const [, , , proxy] = cageQuadlets({
    ...ORDINARY,
    egress: { ...ORDINARY.egress, ports: [80, 8080, 20_000], published },
  })
  assert.deepEqual(proxy?.content.match(/^PublishPort=.*$/gm), [
    'PublishPort=127.0.0.1:3000:20001',
    'PublishPort=0.0.0.0:3001:20002',
  ])
  assert.match(
    proxy?.content ?? '',
    /--publish 0\.0\.0\.0:20001=10\.89\.7\.2:80 --publish 0\.0\.0\.0:20002=10\.89\.7\.2:80/,
  )
  assert.match(proxy?.content ?? '', /--proxy 10\.89\.7\.11:8081/)
})

test('the store is written by the proxy alone, and by it only where a transform gets new secrets', () => {
  const writable = (keepsSecrets: boolean): readonly string[] =>
    cageQuadlets({ ...ORDINARY, egress: { ...ORDINARY.egress, keepsSecrets } }).flatMap(({ name, content }) =>
      /^Volume=\S*\/secrets:\S*:rw/m.test(content) ? [name] : [],
    )
  assert.deepEqual([writable(false), writable(true)], [[], ['demo-proxy.container']])
})

const ORDINARY: CagePlan = {
  egress: {
    name: 'demo',
    image: 'localhost/agentcage-egress:0123456789abcdef',
    network: {
      subnet: '10.89.7.0/24',
      gateway: '10.89.7.1',
      dns: '10.89.7.10',
      proxy: '10.89.7.11',
      cage: '10.89.7.2',
    },
    folder: '/home/u/.config/agentcage/deployments/demo',
    stateFolder: '/home/u/.local/state/agentcage/cages/demo',
    environmentFile: '/home/u/.local/state/agentcage/cages/demo/egress.env',
    files: [],
    keepsSecrets: false,
    ports: [80, 443],
    published: [],
    limits: { memory: true, pids: true },
  },
  agent: {
    settings: {
      image: 'docker.io/library/node:24-slim',
      named_volumes: {},
      tmpfs: [],
      podman_secrets: [],
      user: '1000:1000',
      pids: 4096,
      read_only: true,
      no_new_privileges: true,
      security_label_disable: true,
      drop_capabilities: ['ALL'],
      add_capabilities: [],
      restart: 'on-failure',
      restart_sec: 10,
      timeout_start_sec: 120,
      timeout_stop_sec: 30,
    },
    environment: {},
    placeholderFile: '/home/u/.local/state/agentcage/cages/demo/workload.env',
    trust: {
      environment: imageTrust(TRUST).environment,
      mounts: imageTrust(TRUST).mounts.filter((mount) => mount.kind === 'bind'),
    },
    volumes: [],
    seccompProfile: '/home/u/.config/agentcage/deployments/demo/seccomp.json',
    limits: { memory: true, cpu: true, pids: true },
    ipv6: true,
  },
}

const EVERYTHING: CagePlan = {
  egress: {
    ...ORDINARY.egress,
    files: ['/etc/ssl/corporate.pem'],
    ports: [80, 443, 8443],
    published: [{ bind: '127.0.0.1', outside: 18_789, inside: 18_789 }],
  },
  agent: {
    ...ORDINARY.agent,
    environment: { LEVEL: 'debug', QUOTED: 'say "hi" \\ 100%', LINES: 'a\nb' },
    volumes: [
      { kind: 'bind', source: '/home/u/my project', target: '/workspace', writable: true },
      { kind: 'bind', source: '/home/u/my project/.git/hooks', target: '/workspace/.git/hooks', writable: false },
      { kind: 'tmpfs', target: '/workspace/sockets', options: 'ro,size=4k,mode=0555,notmpcopyup' },
    ],
    settings: {
      ...ORDINARY.agent.settings,
      command: ['node', '/app/agent.js', '--flag=a b'],
      named_volumes: { 'agent-state': '/home/node/.state:rw', shared: '/shared:ro' },
      tmpfs: ['/cache:size=64m,mode=1777', '/scratch'],
      podman_secrets: ['GATEWAY_TOKEN'],
      memory: '4g',
      cpus: '2.0',
      pids: 512,
      read_only: false,
      no_new_privileges: false,
      security_label_disable: false,
      drop_capabilities: ['NET_RAW', 'SYS_CHROOT'],
      add_capabilities: ['CHOWN'],
      restart: 'always',
      restart_sec: 0,
      timeout_start_sec: 0,
      timeout_stop_sec: 5,
    },
    ipv6: false,
  },
}

function text(plan: CagePlan): string {
  return cageQuadlets(plan)
    .map(({ name, content }) => `=== ${name}\n${content}`)
    .join('\n')
}

/** Names of the directives and sections of a unit, in order; a line that is neither stands for itself. */
function names(content: string): readonly string[] {
  return content.split('\n').map((line) => /^[A-Za-z0-9]+(?==)|^\[[A-Za-z]+\]$/.exec(line)?.[0] ?? line)
}
