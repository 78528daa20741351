/*
 * A guest that is up, played by a socket: its sessions begin and end each by itself, a signal is answered or the machine
 * ends, and what was not to come ends all of them.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { CageError } from '../../../src/errors.ts'
import { Machine, readLines } from '../../../src/isolation/microvm/machine.ts'
import { PortSockets } from '../../../src/isolation/microvm/port-sockets.ts'
import type { Workload } from '../../../src/isolation/process/launch.ts'
import { makeFolder } from '../../support/temporary.ts'

interface Play {
  readonly machine: Machine
  readonly guest: Socket
  /** When the machine was ended. */
  readonly ended: Promise<void>
}

async function play(t: TestContext, silence?: number): Promise<Play> {
  const folder = await makeFolder()
  const sockets = await PortSockets.listen(folder, ['control'])
  const guest = connect(join(folder, 'control'))
  t.after(() => {
    guest.destroy()
    sockets[Symbol.dispose]()
    rmSync(folder, { recursive: true, force: true })
  })
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  const vmm: Workload = {
    pid: undefined,
    terminal: false,
    stdin: undefined,
    stdout: undefined,
    stderr: undefined,
    exited: ended.then(() => ({ code: 137 })),
    kill: () => false,
    destroy: () => resolve(),
  }
  const control = await sockets.socket('control')
  const machine = new Machine({ vmm, control, console: () => 'its last words' }, readLines(control), silence)
  return { machine, guest, ended }
}

function failsWith(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CageError, String(error))
    assert.match(error.message, pattern)
    return true
  }
}

test('sessions begin and end each by itself', async (t) => {
  const { machine, guest } = await play(t)
  const [first, second] = [machine.start(0, 'pipes', []), machine.start(2, 'tty', [])]
  guest.write('started 2\nstarted 0\nexit 2 5 10 0\n')
  await Promise.all([first.started, second.started])
  assert.deepEqual(await second.exit, { kind: 'exit', session: 2, code: 5, output: 10, errors: 0 })
  assert.equal(machine.kill(2, 'SIGTERM'), false)
  assert.equal(machine.kill(0, 'SIGTERM'), true)
  // A number is used again once its session has ended.
  const again = machine.start(2, 'pipes', [])
  guest.write('signalled 0\nstarted 2\nexit 2 0 0 0\n')
  assert.equal((await again.exit).code, 0)
})

test('a guest that does not take a signal is ended, with all its sessions', async (t) => {
  const { machine, guest, ended } = await play(t, 20)
  const sessions = [machine.start(0, 'pipes', []), machine.start(1, 'pipes', [])]
  guest.write('started 0\nstarted 1\n')
  await Promise.all(sessions.map(({ started }) => started))
  machine.kill(1, 'SIGTERM')
  for (const { exit } of sessions) await assert.rejects(exit, failsWith(/fell silent: it did not take SIGTERM/))
  await ended
})

test('a signal that crosses the end of its session is nobody’s', async (t) => {
  const { machine, guest } = await play(t, 50)
  const first = machine.start(0, 'pipes', [])
  const second = machine.start(1, 'pipes', [])
  guest.write('started 0\nstarted 1\n')
  await second.started
  machine.kill(1, 'SIGTERM')
  guest.write('exit 1 0 0 0\nsignalled 1\n')
  await second.exit
  guest.write('exit 0 3 0 0\n')
  assert.equal((await first.exit).code, 3)
})

for (const said of ['ready', 'exit 1 0 0 0', 'started 1', 'started 0', 'hello 2', 'failed all'])
  test(`a guest that says ${said} is ended`, async (t) => {
    const { machine, guest, ended } = await play(t)
    const { started, exit } = machine.start(0, 'pipes', [])
    guest.write('started 0\n')
    await started
    guest.write(`${said}\n`)
    await assert.rejects(exit, failsWith(/was not to come/))
    await ended
    await assert.rejects(machine.start(1, 'pipes', []).started, failsWith(/was not to come/))
  })

test('a machine that ends says so with its last words', async (t) => {
  const { machine, guest, ended } = await play(t)
  const { exit } = machine.start(0, 'pipes', [])
  guest.end()
  await assert.rejects(exit, failsWith(/ended before its command did \(its last words\)/))
  await ended
})
