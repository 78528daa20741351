/* Running a host program to its end never throws: exit code, signal, output and failure to start are in the result. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runProgram } from '../../src/system/spawn.ts'

test('exit code and output', async () => {
  const { code, signal, stdout, stderr, error } = await runProgram('/bin/sh', ['-c', 'cat; echo problem >&2; exit 3'], {
    input: 'given',
  })
  assert.deepEqual(
    { code, signal, stdout, stderr, error },
    { code: 3, signal: undefined, stdout: 'given', stderr: 'problem\n', error: undefined },
  )
})

test('arguments are not a shell’s', async () => {
  assert.equal((await runProgram('/bin/echo', ['$(id)', '; ls'])).stdout, '$(id) ; ls\n')
})

test('a program that is not there', async () => {
  const { code, error } = await runProgram('/no/such/program', [])
  assert.equal(code, undefined)
  assert.match(error?.message ?? '', /ENOENT/)
})

test('a program that takes too long is killed', async () => {
  assert.equal((await runProgram('/bin/sleep', ['1000'], { timeout: 50 })).signal, 'SIGKILL')
})

test('an abort ends it', async () => {
  const aborting = new AbortController()
  const running = runProgram('/bin/sleep', ['1000'], { signal: aborting.signal })
  aborting.abort()
  assert.equal((await running).error?.name, 'AbortError')
})

test('output is bounded, and the program still ends', async () => {
  const { code, stdout } = await runProgram('/bin/sh', ['-c', 'head -c 1000000 /dev/zero'])
  assert.deepEqual([code, stdout.length], [0, 65_536])
})

test('a program that does not read its input is free to', async () => {
  assert.equal((await runProgram('/bin/true', [], { input: 'x'.repeat(1_000_000) })).code, 0)
})
