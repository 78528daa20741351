/*
 * Starting a workload: its exit code, its streams and its signals are those of the command; what fails before the
 * command begins is an error with a reason, never mistaken for the command's own end.
 */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { CageError } from '../../../src/errors.ts'
import { launchWorkload, type Workload } from '../../../src/isolation/process/launch.ts'
import { PLAIN_MOUNTS, plainPlan, runInCage, runScript, withMoat, withoutCages, withWorkload } from './real-cage.ts'

const skip = withoutCages

test('the exit code is the command’s, 128 + N when a signal ended it', { skip }, async (t) => {
  const moat = await withMoat(t)
  for (const [script, code] of [
    ['exit 0', 0],
    ['exit 1', 1],
    ['exit 125', 125],
    ['kill -TERM $$', 143],
    ['kill -KILL $$', 137],
  ] as const) {
    assert.equal((await runScript(script, moat)).code, code, script)
  }
})

test('arguments and environment arrive as they are, and nothing else does', { skip }, async (t) => {
  const moat = await withMoat(t)
  const environment = { PATH: '/usr/bin:/bin', ODD: 'a b\n"$(id)" \'', EMPTY: '' }
  const plan = plainPlan(['/usr/bin/env', '-0'], { environment, workingDirectory: '/usr' })
  const variables = (await runInCage(plan, moat)).stdout
    .split('\0')
    .filter((line) => !/^(?:PWD|OLDPWD|SHLVL|_)=/.test(line))
  assert.deepEqual(
    variables.filter(Boolean).toSorted(),
    Object.entries(environment)
      .map(([name, value]) => `${name}=${value}`)
      .toSorted(),
  )
  const strange = ['a b', '', '$HOME', '*', "'", '"', '--', '-x', 'é\n']
  const { stdout } = await runInCage(plainPlan(['/usr/bin/printf', '[%s]', ...strange]), moat)
  assert.equal(stdout, strange.map((argument) => `[${argument}]`).join(''))
})

test('the streams are connected, and standard error is the workload’s alone', { skip }, async (t) => {
  const moat = await withMoat(t)
  const workload = await launchWorkload(plainPlan(['sh', '-c', 'cat; echo problem >&2']), moat, {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  workload.stdin?.end('through\n')
  assert.ok(workload.stdout && workload.stderr)
  const texts = await Promise.all([text(workload.stdout), text(workload.stderr)])
  assert.deepEqual(texts, ['through\n', 'problem\n'])
  assert.deepEqual(await workload.exited, { code: 0 })
})

test('a command that is not there ends with 127, one that cannot be executed with 126', { skip }, async (t) => {
  const moat = await withMoat(t)
  for (const [command, code, message] of [
    ['no-such-command', 127, 'agentcage: no-such-command: not found in the cage\n'],
    ['/no/such/path', 127, 'agentcage: /no/such/path: not found in the cage\n'],
    ['-c', 127, 'agentcage: -c: not found in the cage\n'],
    ['cd', 127, "agentcage: cd: not found in the cage (the shell's own: sh -c 'cd ...')\n"],
    ['if', 127, "agentcage: if: not found in the cage (the shell's own: sh -c 'if ...')\n"],
    ['test', 1, ''],
    ['/etc/passwd', 126, 'agentcage: /etc/passwd: cannot be executed\n'],
    ['/etc', 126, 'agentcage: /etc: cannot be executed\n'],
  ] as const) {
    const outcome = await runInCage(plainPlan([command]), moat)
    assert.deepEqual([outcome.code, outcome.stderr], [code, message])
  }
})

test('what bubblewrap cannot do is an error with its reason', { skip }, async (t) => {
  const moat = await withMoat(t)
  const broken = [
    {
      plan: plainPlan(['true'], {
        mounts: [...PLAIN_MOUNTS, { kind: 'bind', source: '/no/such/source', target: '/tmp/a', writable: false }],
      }),
      reason: /bwrap: .*\/no\/such\/source/,
    },
    {
      plan: plainPlan(['true'], {
        mounts: [...PLAIN_MOUNTS, { kind: 'bind', source: '/usr', target: '/no/such/target', writable: false }],
      }),
      reason: /bwrap: .*\/no/,
    },
    { plan: plainPlan(['true'], { workingDirectory: '/no/such/folder' }), reason: /bwrap: .*\/no\/such\/folder/ },
    { plan: plainPlan(['true'], { mounts: [] }), reason: /bwrap: .*\/bin\/sh/ },
  ]
  for (const { plan, reason } of broken) {
    await assert.rejects(launchWorkload(plan, moat, { stdio: ['ignore', 'ignore', 'ignore'] }), (error) => {
      assert.ok(error instanceof CageError, String(error))
      assert.equal(error.code, 'workload_failed')
      assert.match(error.message, reason)
      assert.ok(error.hint)
      return true
    })
  }
})

test('signals reach the command, which decides about them', { skip }, async (t) => {
  const script =
    'trap "echo caught; exit 7" TERM INT HUP; trap "echo usr" USR2; echo ready; while :; do sleep 0.05; done'
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    const workload = await withWorkload(t, plainPlan(['sh', '-c', script]))
    const lines = linesOf(workload)
    assert.equal(await lines(), 'ready')
    assert.equal(workload.kill('SIGUSR2'), true)
    assert.equal(await lines(), 'usr')
    assert.equal(workload.kill(signal), true)
    assert.equal(await lines(), 'caught')
    assert.deepEqual(await workload.exited, { code: 7 })
    assert.equal(workload.kill('SIGTERM'), false)
    assert.equal(workload.pid, undefined)
  }
})

test('when the command ends, what it left running ends too', { skip }, async (t) => {
  const workload = await withWorkload(
    t,
    plainPlan(['sh', '-c', '(trap "" TERM HUP INT; exec setsid sleep 1000) & echo ready; read x'], {}),
    { stdio: ['pipe', 'pipe', 'ignore'] },
  )
  assert.equal(await linesOf(workload)(), 'ready')
  const inside = processesInNamespaceOf(workload)
  workload.stdin?.end('\n')
  await workload.exited
  assert.ok(inside.length >= 2)
  assert.deepEqual(inside.filter(isRunning), [])
})

test('destroying a cage, or aborting it, ends all of it', { skip }, async (t) => {
  const aborting = new AbortController()
  for (const end of [(workload: Workload) => workload.destroy(), () => aborting.abort()]) {
    const workload = await withWorkload(
      t,
      plainPlan(['sh', '-c', 'trap "" TERM HUP INT; sleep 1000 & echo ready; wait']),
      { signal: aborting.signal },
    )
    assert.equal(await linesOf(workload)(), 'ready')
    const inside = processesInNamespaceOf(workload)
    end(workload)
    assert.equal((await workload.exited).code, 137)
    assert.deepEqual(inside.filter(isRunning), [])
  }
  await assert.rejects(
    launchWorkload(plainPlan(['true']), await withMoat(t), {
      stdio: ['ignore', 'ignore', 'ignore'],
      signal: aborting.signal,
    }),
    { name: 'AbortError' },
  )
})

function linesOf(workload: Workload): () => Promise<string> {
  assert.ok(workload.stdout)
  const lines = createInterface(workload.stdout)[Symbol.asyncIterator]()
  return async () => {
    const { value } = (await lines.next()) as { value: string }
    return value
  }
}

/** Process ids, seen from here, of what shares the command's process namespace. */
function processesInNamespaceOf({ pid }: Workload): readonly number[] {
  assert.ok(pid)
  const parents = new Map(allProcesses().map((id) => [id, parentOf(id)]))
  const init = parents.get(pid)
  return [...parents.keys()].filter((id) => id === pid || parents.get(id) === pid || parents.get(id) === init)
}

function allProcesses(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  } catch {
    return undefined
  }
}

function isRunning(pid: number): boolean {
  return parentOf(pid) !== undefined
}
