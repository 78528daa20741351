/** What goes wrong is one line that says what, a hint that says what to do, and the error's own exit code; a stack only on request. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reportFailure } from '../../src/cli/failure.ts'
import { CageError, ERRORS, type ErrorCode } from '../../src/errors.ts'
import { missingSecrets } from '../../src/secrets/resolve.ts'
import { captureIo } from './captured-io.ts'

test('each error has its exit code', async () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const failure = await reported(new CageError(code, 'what is wrong'))
    assert.deepEqual(failure, { code: ERRORS[code].exit, stdout: '', stderr: 'error: what is wrong\n' })
  }
})

test('the hint stands below', async () => {
  const { stderr } = await reported(
    new CageError('host_unsupported', 'bubblewrap is missing', { hint: 'apt-get install bubblewrap' }),
  )
  assert.equal(stderr, 'error: bubblewrap is missing\n  apt-get install bubblewrap\n')
})

test('each line of a message is marked, unless it goes on with the one before', async () => {
  const { stderr } = await reported(new CageError('config_invalid', 'a:1:1: x\na:2:1: y'))
  assert.equal(stderr, 'error: a:1:1: x\nerror: a:2:1: y\n')
  const missing = await reported(missingSecrets('demo', ['A', 'B']))
  assert.match(missing.stderr, /^error: missing secrets for cage 'demo':\n {2}A\n {2}B\n {2}Create them with:\n/)
})

test('nothing in a message acts on the terminal', async () => {
  const hostile = 'a\x1b[2K\rb\x9bc\x7f\u202ed'
  const shown = 'a\\u001b[2K\\u000db\\u009bc\\u007f\\u202ed'
  const refused = await reported(new CageError('mount_refused', hostile, { hint: hostile }))
  assert.equal(refused.stderr, `error: ${shown}\n  ${shown}\n`)
  assert.equal((await reported(new Error(hostile))).stderr, `error: internal: ${shown}\n`)
})

test('when clearing away fails too, both are said, and the exit code is that of what failed first', async () => {
  const first = new CageError('config_invalid', 'what is wrong')
  const failure = await reported(new SuppressedError(new CageError('service_failed', 'what stays'), first))
  assert.deepEqual(failure, { code: 2, stdout: '', stderr: 'error: what is wrong\nerror: what stays\n' })
})

test('a defect is named as such, without a stack', async () => {
  assert.deepEqual(await reported(new TypeError('x is not a function')), {
    code: 1,
    stdout: '',
    stderr: 'error: internal: x is not a function\n',
  })
})

test('whatever is thrown', async () => {
  for (const thrown of [undefined, null, 'text', 42]) {
    assert.deepEqual(await reported(thrown), { code: 1, stdout: '', stderr: `error: internal: ${String(thrown)}\n` })
  }
})

test('a stack on request', async () => {
  const { stderr } = await reported(new TypeError('x is not a function'), { AGENTCAGE_DEBUG: '1' })
  assert.match(stderr, /^error: internal: TypeError: x is not a function\n +at .*failure\.test\.ts/)
})

async function reported(
  error: unknown,
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { io, written } = captureIo(env)
  const code = reportFailure(error, io)
  return { code, ...(await written()) }
}
