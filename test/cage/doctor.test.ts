/*
 * `agentcage doctor` names every part that process isolation needs, tries a real cage, and exits with 1 exactly when
 * something is missing. What can be mended comes with a command for this distribution.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { checkHost, type Check } from '../../src/cage/doctor.ts'
import { installCommand, packageManager } from '../../src/cage/doctor-packages.ts'
import { missingTools } from '../support/requires.ts'
import { withFolder } from '../support/temporary.ts'
import { COMPILED, PROGRAM } from '../support/program.ts'

const NAMES = [
  'node',
  'bwrap',
  'ip',
  'nsenter',
  'unshare',
  'setpriv',
  'sh',
  'user namespaces',
  'seccomp',
  'cage',
  'limits',
  'terminal',
  'disk',
]
const skip = missingTools('bwrap', 'nsenter', 'unshare', 'setpriv', 'ip')

test('every part is named once, with what was found', { skip }, async () => {
  const checks = await checkHost()
  const names = checks.map(({ name }) => name)
  assert.deepEqual(
    names.filter((name) => !name.startsWith('systemd')),
    NAMES,
  )
  assert.equal(new Set(names).size, names.length)
  for (const { detail } of checks) assert.ok(detail.length > 0 && !detail.includes('\n'))
  assert.deepEqual(
    checks.filter(({ status }) => status === 'missing'),
    [],
  )
})

test('a real cage is tried', { skip }, async () => {
  const cage = (await checkHost()).find(({ name }) => name === 'cage')
  assert.deepEqual(cage, {
    name: 'cage',
    status: 'ok',
    detail: 'namespaces, bubblewrap and the seccomp filter work together',
  })
})

test('the command line: text, JSON, exit code', { skip }, async (t) => {
  const environment = { PATH: process.env['PATH'], HOME: await withFolder(t), ...COMPILED }
  const agentcage = (...args: readonly string[]) =>
    spawnSync(process.execPath, [PROGRAM, 'doctor', ...args], {
      encoding: 'utf8',
      env: environment,
    })
  const text = agentcage()
  assert.equal(text.status, 0, text.stderr)
  assert.match(text.stdout, /^\[ok\] +bwrap: bubblewrap \d/m)
  assert.match(text.stdout, /^This host can run cages\.$/m)
  const json = agentcage('--json')
  const { ok, checks } = JSON.parse(json.stdout) as { readonly ok: boolean; readonly checks: readonly Check[] }
  assert.equal(ok, true)
  assert.ok(checks.some(({ name, status }) => name === 'cage' && status === 'ok'))
})

test('the package manager follows from os-release, by family', () => {
  for (const [text, manager] of [
    ['ID=debian\nVERSION_ID="12"\n', 'apt'],
    ['NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\n', 'apt'],
    ['ID=fedora\n', 'dnf'],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"\n', 'dnf'],
    ['ID=arch\n', 'pacman'],
    ['ID=endeavouros\nID_LIKE=arch\n', 'pacman'],
    ['ID=alpine\n', 'apk'],
    ['ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n', 'zypper'],
    ['ID=nixos\n', undefined],
    ['', undefined],
  ] as const) {
    assert.equal(packageManager(text), manager, text)
  }
})

test('the command that installs a package asks for privileges only where they are missing', () => {
  assert.equal(
    installCommand('apt', () => 'bubblewrap', 1000),
    'sudo apt-get install -y bubblewrap',
  )
  assert.equal(
    installCommand('apk', (manager) => `for-${manager}`, 0),
    'apk add for-apk',
  )
  assert.equal(
    installCommand(undefined, () => 'bubblewrap', 0),
    undefined,
  )
})
