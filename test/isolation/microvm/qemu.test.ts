/*
 * QEMU's arguments as golden files, one a line, and what must hold for every machine: nothing by default, no monitor, no
 * file but those named, and a network that is QEMU's own.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { FURTHER_SESSIONS, machinePorts } from '../../../src/isolation/microvm/guest-ports.ts'
import { qemuArguments, type QemuMachine } from '../../../src/isolation/microvm/qemu.ts'
import { assertGolden } from '../../support/golden.ts'

const GOLDEN = join(import.meta.dirname, 'golden')

const MACHINE: QemuMachine = {
  accelerator: 'kvm',
  kernel: '/machine/kernel',
  initramfs: '/machine/initramfs',
  vcpus: 2,
  memoryMebibytes: 2048,
  tree: '/guest',
  sockets: '/machine',
  ports: machinePorts({ terminal: false, further: 0 }),
}

const MACHINES: Readonly<Record<string, QemuMachine>> = {
  'qemu-kvm': MACHINE,
  'qemu-emulated': {
    ...MACHINE,
    accelerator: 'tcg',
    firmware: '/usr/share/qemu/qboot.rom',
    scratch: '/scratch/disk',
    steadyCounter: true,
  },
  'qemu-terminal': { ...MACHINE, ports: machinePorts({ terminal: true, further: 0 }) },
  'qemu-open': { ...MACHINE, ports: machinePorts({ terminal: false, further: FURTHER_SESSIONS }) },
}

for (const [name, machine] of Object.entries(MACHINES))
  test(`${name} is as in its golden file`, () => {
    assertGolden(join(GOLDEN, `${name}.txt`), `${rendered(machine).join('\n')}\n`)
  })

test('every machine has nothing by default, no monitor, and a sandbox that starts no program', () => {
  for (const machine of Object.values(MACHINES)) {
    const text = rendered(machine).join('\n')
    assert.match(text, /^-nodefaults$/m)
    assert.match(text, /^-no-user-config$/m)
    assert.match(text, /^-monitor none$/m)
    assert.match(text, /spawn=deny/)
    assert.doesNotMatch(text, /qmp|gdb|hostfwd|guestfwd|smb|tftp|script=|vhost/)
  }
})

test('a device tells of its ports in 32 messages at most, and its first number stays free', () => {
  for (const terminal of [false, true])
    for (const ports of machinePorts({ terminal, further: FURTHER_SESSIONS })) {
      const messages = ports.reduce((sum, port) => sum + (port.terminal ? 3 : 2), 1)
      assert.ok(messages <= 32, `${messages}`)
    }
})

/** An option and its value on a line. */
function rendered(machine: QemuMachine): readonly string[] {
  return qemuArguments(machine)
    .join('\n')
    .split(/\n(?=-)/)
    .map((line) => line.replace('\n', ' '))
}
