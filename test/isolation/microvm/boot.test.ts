/*
 * A guest that does not come up as it should, played by a socket: whatever it says or does not say, the start fails with
 * what happened, its VMM is ended, and nothing waits for ever. The VMM is a process that does nothing.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { CageError } from '../../../src/errors.ts'
import { bootGuest } from '../../../src/isolation/microvm/boot.ts'
import { LONGEST_GUEST_LINE } from '../../../src/isolation/microvm/channel-line.ts'
import { machinePorts } from '../../../src/isolation/microvm/guest-ports.ts'
import { PortSockets } from '../../../src/isolation/microvm/port-sockets.ts'
import type { Workload } from '../../../src/isolation/process/launch.ts'
import { makeFolder } from '../../support/temporary.ts'
import { failsWith } from './workload-failure.ts'

const PLAN = { command: ['true'], workingDirectory: '/', environment: {}, mounts: [], limits: {} } as const
const READY = 'hello 2\nready\n'

/** A process in place of a VMM, seen as the launcher shows one. */
function idleVmm(t: TestContext): Workload & { readonly stdout: PassThrough } {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit').then(() => ({ code: 137 }))
  const destroy = (): void => void child.kill('SIGKILL')
  const stdout = new PassThrough()
  return {
    pid: child.pid,
    terminal: false,
    stdin: undefined,
    stdout,
    stderr: undefined,
    exited,
    kill: (signal) => child.kill(signal),
    destroy,
  }
}

interface Play {
  /** Called once the machine's ports are connected. */
  readonly play: (guest: Guest) => unknown
  readonly patience?: number
}

interface Guest {
  readonly control: Socket
  readonly output: Socket
  readonly vmm: ReturnType<typeof idleVmm>
}

async function boot(t: TestContext, { play, patience = 60_000 }: Play): Promise<Workload> {
  const folder = await makeFolder()
  const names = machinePorts({ terminal: false, further: 0 }).flatMap((ports) => ports.map(({ name }) => name))
  const sockets = await PortSockets.listen(folder, names)
  const ports = new Map(names.map((name) => [name, connect(join(folder, name))]))
  for (const port of ports.values()) port.on('error', () => undefined)
  t.after(() => {
    sockets[Symbol.dispose]()
    for (const port of ports.values()) port.destroy()
    rmSync(folder, { recursive: true, force: true })
  })
  const vmm = idleVmm(t)
  // With a VMM, its ports end.
  void vmm.exited.then(() => ports.forEach((port) => port.destroy()))
  play({ control: ports.get('control') as Socket, output: ports.get('out0') as Socket, vmm })
  return bootGuest({
    plan: PLAN,
    accelerator: 'tcg',
    patience,
    vmm,
    sockets,
    terminal: false,
    further: 0,
    image: false,
    scratchDisk: false,
    stdio: ['ignore', 'pipe', 'ignore'],
    own: process,
  })
}

/** Says what a guest says that comes up, to the start of its command; resolves with what it heard so far. */
async function comeUp(control: Socket): Promise<string> {
  control.write(READY)
  let heard = ''
  control.setEncoding('utf8')
  while (!heard.includes('start 0 pipes\n')) heard += String((await once(control, 'data'))[0])
  control.write('started 0\n')
  return heard
}

const REFUSED: readonly (readonly [what: string, said: string, problem: RegExp])[] = [
  ['is of another version', 'hello 1\n', /the guest said hello where hello was to come/],
  ['skips its greeting', 'ready\n', /the guest said ready where hello/],
  ['cannot mount', 'hello 2\nfailed mount: no such device\n', /cannot be made ready: mount: no such device/],
  ['starts before it is ready', 'hello 2\nstarted 0\n', /said started where ready/],
  ['says nonsense', 'hello 2\n\x1b[2J\n', /what no guest says: "\\u001b\[2J/],
  ['floods the channel', `hello 2\n${'x'.repeat(100_000)}`, /what no guest says/],
  ['never ends its line', 'x'.repeat(LONGEST_GUEST_LINE + 1), /what no guest says/],
]

for (const [what, said, problem] of REFUSED)
  test(`a guest that ${what} is ended`, async (t) => {
    let vmm: Workload | undefined
    const starting = boot(t, {
      play(guest) {
        vmm = guest.vmm
        guest.control.write(said)
      },
    })
    await assert.rejects(starting, failsWith(problem))
    assert.equal((await vmm?.exited)?.code, 137)
  })

test('a guest that never answers is given up', async (t) => {
  let vmm: Workload | undefined
  const starting = boot(t, { play: (guest) => (vmm = guest.vmm), patience: 50 })
  await assert.rejects(starting, failsWith(/the guest did not answer within 0\.05 s/))
  assert.equal((await vmm?.exited)?.code, 137)
})

test('a VMM that ends is told with the last that it printed, made harmless', async (t) => {
  const starting = boot(t, {
    play({ vmm }) {
      vmm.stdout.write('noise\r\n'.repeat(2000))
      vmm.stdout.write('[    1.0] Kernel panic - not syncing: \x1b]0;title\x07no root\r\n')
      vmm.stdout.write('[    1.0] Call Trace:\r\n'.repeat(40))
      setImmediate(() => vmm.destroy())
    },
  })
  await assert.rejects(starting, (error: unknown) => {
    assert.ok(error instanceof CageError)
    assert.match(error.message, /Kernel panic - not syncing: \\u001b\]0;title\\u0007no root/)
    assert.ok(error.message.length < 800)
    return true
  })
})

test('a command runs, its output arrives whole, and its exit is that of the machine', async (t) => {
  const workload = await boot(t, {
    async play({ control, output }) {
      await comeUp(control)
      // What was written arrives after the word that it ended.
      control.write('exit 0 7 1048576 0\n')
      output.write(Buffer.alloc(1 << 20, 'y'))
    },
  })
  let length = 0
  for await (const chunk of workload.stdout as AsyncIterable<Buffer>) length += chunk.length
  assert.equal(length, 1 << 20)
  assert.deepEqual(await workload.exited, { code: 7 })
})

test('a signal is told to the guest', async (t) => {
  const heard = Promise.withResolvers<string>()
  const workload = await boot(t, {
    async play({ control }) {
      let text = await comeUp(control)
      control.on('data', (part: string) => {
        text += part
        if (text.includes('signal 0 TERM\n')) heard.resolve(text)
      })
    },
  })
  assert.equal(workload.kill('SIGTERM'), true)
  assert.match(
    await heard.promise,
    /^clock \d+\n(?:file setup .*\n)+setup\n(?:file command0 .*\n)+start 0 pipes\nsignal 0 TERM\n$/,
  )
  workload.destroy()
  await assert.rejects(workload.exited, failsWith(/the machine ended before its command did/))
})

for (const said of ['ready\n', 'exit 3 0 0 0\n', 'started 0\n', 'exit 0 1 2\n', 'started 1\n'])
  test(`a running guest that says ${JSON.stringify(said)} is ended`, async (t) => {
    let control: Socket | undefined
    const workload = await boot(t, {
      play(guest) {
        control = guest.control
        return comeUp(control)
      },
    })
    control?.write(said)
    await assert.rejects(workload.exited, failsWith(/which was not to come|what no guest says/))
    assert.equal(workload.kill('SIGTERM'), false)
  })
