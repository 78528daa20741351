/*
 * A command asked for by one process and run by another: streams in both directions, however slow their reader, signals
 * and sizes, the end and what went wrong. The machine is played by streams; the socket is real.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { enterMachine } from '../../../src/cage/machine-exec/client.ts'
import { frame } from '../../../src/cage/machine-exec/frames.ts'
import { serveSessions } from '../../../src/cage/machine-exec/server.ts'
import { CageError } from '../../../src/errors.ts'
import type { WorkloadExit } from '../../../src/isolation/isolation.ts'
import type { GuestSession, SessionRequest } from '../../../src/isolation/session.ts'
import { withFolder } from '../../support/temporary.ts'

const REQUEST: SessionRequest = { command: ['true'], environment: { A: 'b' }, workingDirectory: '/' }

class PlayedSession implements GuestSession {
  readonly terminal = false
  readonly input = new PassThrough()
  readonly output = new PassThrough()
  readonly errors = new PassThrough()
  readonly end = Promise.withResolvers<WorkloadExit>()
  readonly exited = this.end.promise
  readonly destroyed = Promise.withResolvers<void>()
  readonly heard = new PassThrough({ objectMode: true })

  kill(signal: NodeJS.Signals): boolean {
    return this.heard.write(signal)
  }

  resize(size: object): void {
    this.heard.write(size)
  }

  destroy(): void {
    this.destroyed.resolve()
  }

  finish(code: number): void {
    this.output.end()
    this.errors.end()
    this.end.resolve({ code })
  }
}

async function serve(t: TestContext, enter: (request: SessionRequest) => Promise<GuestSession>): Promise<string> {
  const path = join(await withFolder(t), 'sessions')
  const served = await serveSessions(path, enter)
  t.after(() => served[Symbol.asyncDispose]())
  return path
}

test('streams go both ways, whole, and the end has its code', async (t) => {
  const played = new PlayedSession()
  const asked: SessionRequest[] = []
  const path = await serve(t, async (request) => (asked.push(request), played))
  const session = await enterMachine(path, REQUEST)
  assert.deepEqual(asked, [REQUEST])
  session.input.end('x'.repeat(200_000))
  assert.equal((await text(played.input)).length, 200_000)
  played.errors.write('problem')
  played.output.write(Buffer.alloc(3_000_000, 'y'))
  played.finish(9)
  const [output, errors] = await Promise.all([text(session.output), text(session.errors as PassThrough)])
  assert.equal(output.length, 3_000_000)
  assert.equal(errors, 'problem')
  assert.deepEqual(await session.exited, { code: 9 })
})

test('signals and sizes are not held up by input that nobody reads', async (t) => {
  const played = new PlayedSession()
  const path = await serve(t, async () => played)
  const session = await enterMachine(path, REQUEST)
  session.input.write(Buffer.alloc(4_000_000))
  session.kill('SIGTERM')
  session.resize({ rows: 40, columns: 100 })
  const heard: unknown[] = []
  for await (const each of played.heard) if (heard.push(each) === 2) break
  assert.deepEqual(heard, ['SIGTERM', { rows: 40, columns: 100 }])
  played.finish(0)
  session.output.resume()
  session.errors?.resume()
  assert.deepEqual(await session.exited, { code: 0 })
})

test('who has given up before asks for nothing', async (t) => {
  const asked: SessionRequest[] = []
  const path = await serve(t, async (request) => (asked.push(request), new PlayedSession()))
  await assert.rejects(enterMachine(path, REQUEST, AbortSignal.abort(new Error('given up'))), /given up/)
  assert.deepEqual(asked, [])
})

test('attack: input and signals that cross the end of the command do not cost its output or its code', async (t) => {
  // How much waits on this side for a reader that is slow, nothing says: of these sizes some leave little of it here.
  for (let kibibytes = 16; kibibytes <= 512; kibibytes += 16) {
    const played = new PlayedSession()
    const path = await serve(t, async () => played)
    const socket = connect(path)
    socket.write(frame('request', JSON.stringify(REQUEST)))
    await once(socket, 'readable')
    for (let written = 0; written < kibibytes; written += 16) played.output.write(Buffer.alloc(16_384, 'y'))
    played.finish(9)
    await new Promise((resolve) => setImmediate(resolve))
    socket.write(Buffer.concat([frame('signal', 'SIGINT'), frame('input', 'more'), frame('input')]))
    const got = Buffer.concat((await socket.toArray()) as Buffer[])
    assert.ok(got.length > kibibytes * 1024 && got.subarray(-6).equals(frame('exit', '9')), `${kibibytes} KiB`)
  }
})

test('what went wrong is told in the same words', async (t) => {
  const path = await serve(t, async () => {
    throw new CageError('workload_failed', 'all places are taken', { hint: 'Wait.' })
  })
  await assert.rejects(enterMachine(path, REQUEST), (error) => {
    assert.ok(error instanceof CageError)
    assert.deepEqual([error.message, error.hint], ['all places are taken', 'Wait.'])
    return true
  })
})

test('a machine that ends in between is told, and streams end', async (t) => {
  const played = new PlayedSession()
  const path = await serve(t, async () => played)
  const session = await enterMachine(path, REQUEST)
  played.output.end('last')
  played.errors.end()
  played.end.reject(new CageError('workload_failed', 'the machine ended'))
  assert.equal(await text(session.output), 'last')
  await assert.rejects(session.exited, /the machine ended/)
})

test('who goes away ends the command', async (t) => {
  const played = new PlayedSession()
  const path = await serve(t, async () => played)
  const session = await enterMachine(path, REQUEST)
  session.destroy()
  await played.destroyed.promise
  await assert.rejects(session.exited, /ended before the command did/)
})

const BAD: readonly (readonly [what: string, bytes: Buffer])[] = [
  ['no frame', Buffer.from('GET / HTTP/1.1\r\n')],
  ['a request that is not JSON', frame('request', '{')],
  ['a request with a key more', frame('request', JSON.stringify({ ...REQUEST, user: 0 }))],
  ['a request without a command', frame('request', JSON.stringify({ ...REQUEST, command: [] }))],
  ['input before a request', frame('input', 'x')],
  ['an answer', frame('exit', '0')],
]

for (const [what, bytes] of BAD)
  test(`${what} ends the connection, and asks for nothing`, async (t) => {
    const path = await serve(t, () => Promise.reject(new Error('asked for')))
    const socket = connect(path).on('error', () => undefined)
    socket.resume().write(bytes)
    await once(socket, 'close')
  })
