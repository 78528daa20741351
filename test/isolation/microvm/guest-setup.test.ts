/*
 * The scripts that a guest is sent: what it mounts, who its workload is and what that runs, as golden files and through a
 * real shell.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { GUEST, INIT } from '../../../src/isolation/microvm/guest-init.ts'
import { commandScript, setupScript, terminalScript } from '../../../src/isolation/microvm/guest-setup.ts'
import { QEMU_NETWORK } from '../../../src/isolation/microvm/qemu.ts'
import { assertGolden } from '../../support/golden.ts'

const GOLDEN = join(import.meta.dirname, 'golden')

const USER = { uid: 1000, gid: 1000 }
const OVER_IMAGE = { user: USER, folders: ['/home/person'], places: ["/it's", '/etc/hosts'] }

const PLAN = {
  command: ['node', '-e', 'console.log("it\'s")', '$HOME'],
  environment: { HOME: '/home/person', TOKEN: 'agentcage:secret:TOKEN:0123', LINES: "one\ntwo'" },
  workingDirectory: '/home/person/my project',
} as const

test('the setup is as in its golden file', () => {
  const writable = ['/home/person/my project', '/data']
  const memory = setupScript({ network: QEMU_NETWORK, writable, scratchDisk: false })
  assertGolden(join(GOLDEN, 'setup.sh'), memory)
  const disk = setupScript({ network: QEMU_NETWORK, writable, scratchDisk: true })
  assert.deepEqual(
    disk.split('\n').filter((line) => !memory.includes(line)),
    ['mount -t ext4 -o nosuid,nodev,noatime /dev/vda /scratch || exit 1'],
  )
})

test('the command is as in its golden file, for a user and for root', () => {
  const user = commandScript(PLAN, { user: { uid: 1000, gid: 1000 }, setpriv: '/usr/bin/setpriv' })
  assertGolden(join(GOLDEN, 'command.sh'), user)
  assert.doesNotMatch(commandScript(PLAN, { user: { uid: 0, gid: 0 }, setpriv: '/usr/bin/setpriv' }), /setpriv/)
})

test('all scripts are what a shell can read', () => {
  const scripts = [
    INIT,
    setupScript({ network: QEMU_NETWORK, writable: ["/it's"], scratchDisk: true }),
    setupScript({ network: QEMU_NETWORK, writable: [], scratchDisk: true, image: OVER_IMAGE }),
    commandScript(PLAN, { user: USER, setpriv: '/usr/bin/setpriv' }),
    commandScript(PLAN, { user: USER, setpriv: '', image: true }),
    ...[0, 1].map((session) =>
      terminalScript(session, { device: '/dev/hvc0', user: { uid: 1000, gid: 1000 }, rows: 24, columns: 80 }),
    ),
  ]
  for (const script of scripts) {
    const { status, stderr } = spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' })
    assert.equal(status, 0, stderr)
  }
})

test('every command of the setup ends it when it fails', () => {
  for (const image of [undefined, OVER_IMAGE]) {
    const script = setupScript({ network: QEMU_NETWORK, writable: ['/data'], scratchDisk: false, image })
    for (const line of script.trimEnd().split('\n')) assert.match(line, / \|\| exit 1$/)
  }
})

test('with an image the disk for what the guest writes is the second one', () => {
  const setup = setupScript({ network: QEMU_NETWORK, writable: [], scratchDisk: true, image: OVER_IMAGE })
  assert.match(setup, /^mount -t ext4 -o ro,nosuid,nodev \/dev\/vda \/lower /m)
  assert.match(setup, /^mount -t ext4 -o nosuid,nodev,noatime \/dev\/vdb \/scratch /m)
  assert.doesNotMatch(setup, /\/lower\/|mount_tag=system| system \/lower/)
})

test('the guest puts its root where the command looks for it', () => {
  assert.match(commandScript(PLAN, { user: { uid: 0, gid: 0 }, setpriv: '' }), new RegExp(`/bin/chroot ${GUEST.root} `))
})
