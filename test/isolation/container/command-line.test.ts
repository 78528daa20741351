/** The command line of a container that ends with its command: it says what the quadlet of the same container says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runArguments } from '../../../src/isolation/container/command-line.ts'
import type { ContainerSpec } from '../../../src/isolation/container/spec.ts'

const SPEC: ContainerSpec = {
  name: 'shot_run-cage',
  image: 'localhost/a',
  identity: { user: '1000:1000', keepId: { uid: 1000, gid: 1000 } },
  networks: ['shot_run-net:ip=10.89.7.2'],
  nameserver: '10.89.7.10',
  workingDirectory: '/workspace',
  command: ['sh', '-c', 'echo --privileged'],
  environment: { TEXT: 'a b\n$c' },
  environmentFiles: ['/state/workload.env'],
  secrets: { KEY: 'shot_run.KEY' },
  mounts: [
    { kind: 'bind', source: '/home/me/p', target: '/workspace', writable: true },
    { kind: 'tmpfs', target: '/cache', options: 'size=1m' },
  ],
  published: ['127.0.0.1:8080:20000'],
  sysctls: { 'net.ipv4.ip_forward': '0' },
  readOnly: true,
  noNewPrivileges: true,
  labelDisable: true,
  dropCapabilities: ['all'],
  addCapabilities: ['CHOWN'],
  seccompProfile: '/state/seccomp.json',
  limits: { memory: '1g', cpus: '2', pids: 100 },
  stopTimeout: 10,
}

test('every part of it is there, and what comes after the image is the command', () => {
  assert.deepEqual(
    runArguments(SPEC, { terminal: true, interactive: true, init: true }),
    [
      ['run', '--rm', '--pull', 'never', '--name', 'shot_run-cage', '--interactive', '--tty', '--init'],
      ['--network', 'shot_run-net:ip=10.89.7.2', '--dns', '10.89.7.10', '--dns-search', '.'],
      ['--workdir', '/workspace', '--read-only'],
      ['--security-opt', 'no-new-privileges', '--security-opt', 'label=disable'],
      ['--security-opt', 'seccomp=/state/seccomp.json'],
      ['--cap-drop', 'all', '--cap-add', 'CHOWN', '--sysctl', 'net.ipv4.ip_forward=0'],
      ['--user', '1000:1000', '--userns', 'keep-id:uid=1000,gid=1000'],
      ['--volume', '/home/me/p:/workspace:rw', '--tmpfs', '/cache:size=1m'],
      ['--publish', '127.0.0.1:8080:20000', '--env-file', '/state/workload.env', '--env', 'TEXT=a b\n$c'],
      ['--secret', 'shot_run.KEY,type=env,target=KEY', '--memory', '1g', '--cpus', '2', '--pids-limit', '100'],
      ['--stop-timeout', '10', 'localhost/a', 'sh', '-c', 'echo --privileged'],
    ].flat(),
  )
})

test('what is not asked for is not there', () => {
  const args = runArguments(
    { ...SPEC, limits: {}, published: [] },
    { terminal: false, interactive: false, init: false },
  )
  for (const word of ['--tty', '--interactive', '--init', '--memory', '--publish'])
    assert.equal(args.includes(word), false)
})
