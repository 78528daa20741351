/*
 * A host that cannot run cages is told why and what mends it: which switch of the kernel is in the way, or what the
 * launcher said.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { launchFailure, namespaceObstacle } from '../../../src/isolation/process/launch-failure.ts'

const PERSON = 1000

function hostWith(switches: Readonly<Record<string, string>>): (path: string) => string | undefined {
  return (path) => switches[path]
}

test('each switch that forbids namespaces is named, with the command that mends it', () => {
  for (const [path, value, reason, mend] of [
    [
      '/proc/sys/kernel/unprivileged_userns_clone',
      '0',
      /kernel\.unprivileged_userns_clone=0/,
      /sysctl -w kernel\.unprivileged_userns_clone=1/,
    ],
    ['/proc/sys/user/max_user_namespaces', '0', /user\.max_user_namespaces=0/, /sysctl -w user\.max_user_namespaces=/],
    [
      '/proc/sys/kernel/apparmor_restrict_unprivileged_userns',
      '1',
      /AppArmor/,
      /profile agentcage-bwrap .* userns, .*apparmor_parser -r/s,
    ],
  ] as const) {
    const obstacle = namespaceObstacle(hostWith({ [path]: value }), PERSON)
    assert.match(obstacle?.reason ?? '', reason)
    assert.match(obstacle?.mend ?? '', mend)
  }
})

test('switches that allow, and those that spare root, are no obstacle', () => {
  const open = hostWith({
    '/proc/sys/kernel/unprivileged_userns_clone': '1',
    '/proc/sys/user/max_user_namespaces': '96365',
    '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '0',
  })
  assert.equal(namespaceObstacle(open, PERSON), undefined)
  assert.equal(namespaceObstacle(hostWith({}), PERSON), undefined)
  assert.equal(
    namespaceObstacle(hostWith({ '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1' }), 0),
    undefined,
  )
})

test('what the launcher says decides between the host and the plan', () => {
  for (const [said, code] of [
    ['bwrap: setting up uid map: Permission denied', 'host_unsupported'],
    [
      'bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged user namespaces.',
      'host_unsupported',
    ],
    ['unshare: unshare failed: Operation not permitted', 'host_unsupported'],
    ["nsenter: reassociate to namespace 'ns/net' failed: Operation not permitted", 'host_unsupported'],
    ["bwrap: Can't mount proc on /newroot/proc: Operation not permitted", 'host_unsupported'],
    ["bwrap: Can't find source path /no/such: No such file or directory", 'workload_failed'],
    ["bwrap: Can't mkdir /newroot/a: Read-only file system", 'workload_failed'],
    ['', 'workload_failed'],
  ] as const) {
    const error = launchFailure(`${said}\n`)
    assert.equal(error.code, code, said)
    assert.ok(error.message.includes(said))
    assert.ok(error.hint)
  }
})

test('a message is one line of bounded length', () => {
  const { message } = launchFailure(`${'x'.repeat(10_000)}\n\n${'y'.repeat(10_000)}\n`)
  assert.ok(message.length < 700 && !message.includes('\n'))
})
