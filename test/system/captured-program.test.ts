/** A program's output and end, whatever becomes of it: it is bounded in time and in what it says, and never throws. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { captureProgram, type CaptureOptions, type ProgramEnd } from '../../src/system/captured-program.ts'

const OPTIONS: CaptureOptions = {
  environment: { PATH: '/usr/bin:/bin' },
  workingDirectory: '/',
  timeout: 60_000,
  maxBytes: 1000,
}

const STOPPED: ProgramEnd = { kind: 'stopped', waitedFor: 'itself' }

function sh(script: string, options: Partial<CaptureOptions> = {}): ReturnType<typeof captureProgram> {
  return captureProgram('/bin/sh', ['-c', script], { ...OPTIONS, ...options })
}

test('what it wrote, and how it ended', async () => {
  const { end, stdout, stderr } = await sh('echo out; echo err >&2; exit 7')
  assert.deepEqual([end, stdout.toString(), stderr.toString()], [{ kind: 'exit', code: 7 }, 'out\n', 'err\n'])
  assert.deepEqual((await sh('kill -TERM $$')).end, { kind: 'signal', signal: 'SIGTERM' })
})

test('output beyond the limit is dropped, and does not keep it from ending', async () => {
  const { end, stdout } = await sh('head -c 1000000 /dev/zero')
  assert.deepEqual([end, stdout.length], [{ kind: 'exit', code: 0 }, 1000])
})

test('one that takes too long is stopped, also when only a child of it holds the output', async () => {
  for (const script of ['sleep 1000', 'sleep 1000 & exit 0', 'trap "" TERM INT HUP; sleep 1000; sleep 1000'])
    assert.equal((await sh(script, { timeout: 300 })).end.kind, 'stopped', script)
})

test('a signal that was given before', async () => {
  assert.deepEqual((await sh('sleep 1000', { signal: AbortSignal.abort() })).end, STOPPED)
})

test('what cannot be started', async () => {
  const starts = [
    captureProgram('/no/such/program', [], OPTIONS),
    captureProgram('/', [], OPTIONS),
    captureProgram('/bin/true', ['x'.repeat(3_000_000)], OPTIONS),
    captureProgram('/bin/true', ['a\0b'], OPTIONS),
    captureProgram('/bin/true', [], { ...OPTIONS, workingDirectory: '/no/such/folder' }),
  ]
  for (const { end } of await Promise.all(starts)) assert.equal(end.kind, 'not started')
})
