/*
 * Starting a workload: its exit code, its streams and its signals are those of the command; what fails before the
 * command begins is an error with a reason, never mistaken for the command's own end. Inside there are no capabilities,
 * no descriptors but three, and nothing of the host's environment.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { CageError } from '../../../src/errors.ts'
import { launchWorkload, type Workload } from '../../../src/isolation/process/launch.ts'
import { withFolder } from '../../support/temporary.ts'
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
    variables.filter(Boolean).sort(),
    Object.entries(environment)
      .map(([name, value]) => `${name}=${value}`)
      .sort(),
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
  const chunks = await Promise.all(
    [workload.stdout, workload.stderr].map((stream) => stream?.setEncoding('utf8').toArray()),
  )
  assert.deepEqual(
    chunks.map((parts) => parts?.join('')),
    ['through\n', 'problem\n'],
  )
  assert.deepEqual(await workload.exited, { code: 0 })
})

test('a command that is not there ends with 127, one that cannot be executed with 126', { skip }, async (t) => {
  const moat = await withMoat(t)
  for (const [command, code, message] of [
    ['no-such-command', 127, 'agentcage: no-such-command: not found in the cage\n'],
    ['/no/such/path', 127, 'agentcage: /no/such/path: not found in the cage\n'],
    ['-c', 127, 'agentcage: -c: not found in the cage\n'],
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

test('inside: no capabilities, no new privileges, own process ids, own host name', { skip }, async (t) => {
  const moat = await withMoat(t)
  const { stdout } = await runScript(
    'cat /proc/self/status; hostname; echo "uid $(id -u) gid $(id -g)"; echo pid $$',
    moat,
  )
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
    assert.match(stdout, new RegExp(`^${set}:\\s+0{16}$`, 'm'))
  assert.match(stdout, /^NoNewPrivs:\s+1$/m)
  assert.match(stdout, /^Seccomp:\s+2$/m)
  assert.match(stdout, /^agentcage$/m)
  assert.match(stdout, new RegExp(`^uid ${process.getuid?.()} gid ${process.getgid?.()}$`, 'm'))
  assert.match(stdout, /^pid 2$/m)
})

test('inside: no descriptor but the three, even when our caller left some open', { skip }, async (t) => {
  const folder = await withFolder(t)
  const script = `
    import { openMoat } from ${JSON.stringify(import.meta.resolve('../../../src/isolation/process/moat.ts'))}
    import { plainPlan, PROXY, runInCage } from ${JSON.stringify(import.meta.resolve('./real-cage.ts'))}
    const moat = await openMoat({ tcpPorts: [443], proxy: PROXY })
    const { stdout } = await runInCage(plainPlan(['sh', '-c', 'for f in /proc/self/fd/*; do readlink "$f"; done; true']), moat)
    process.stdout.write(stdout)
    moat.close()`
  const left = openSync(folder, 'r')
  t.after(() => closeSync(left))
  const stdio = Array.from({ length: 61 }, (_, index) => (index === 60 ? left : index < 3 ? 'pipe' : 'ignore')) as (
    | 'pipe'
    | 'ignore'
    | number
  )[]
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    stdio,
    encoding: 'utf8',
  })
  const descriptors = stdout.split('\n').filter(Boolean)
  assert.ok(descriptors.length >= 3, stderr)
  assert.deepEqual(
    descriptors.filter((target) => !/^(?:pipe|socket):|^\/dev\/null$|^\/proc\//.test(target)),
    [],
  )
  assert.ok(!stdout.includes(folder))
})

test('inside: nothing of our environment, not even in the first process’s', { skip }, async (t) => {
  const moat = await withMoat(t)
  const { stdout } = await runScript('tr "\\0" "\\n" </proc/1/environ; echo; tr "\\0" " " </proc/1/cmdline', moat)
  assert.match(stdout, /^(?:PWD=\/\n)?\n/)
  for (const name of ['HOME', 'PATH', 'USER']) assert.ok(!stdout.includes(`${name}=`))
})

test('masked files are empty, masked folders too, and neither can be written', { skip }, async (t) => {
  const folder = await withFolder(t)
  const mounts = [
    ...PLAIN_MOUNTS,
    { kind: 'mask', target: '/etc/passwd', over: 'file' },
    { kind: 'mask', target: '/etc/ssl', over: 'directory' },
    { kind: 'mask', target: folder, over: 'directory' },
  ] as const
  const moat = await withMoat(t)
  const plan = plainPlan(
    [
      'sh',
      '-c',
      `wc -c </etc/passwd; ls -A /etc/ssl; ls -A ${folder}; echo x >/etc/passwd; echo x >${folder}/x; chmod u+w ${folder}; rm -rf ${folder} /etc/passwd`,
    ],
    { mounts: mounts.filter(({ target }) => target !== '/tmp') },
  )
  const { stdout, stderr } = await runInCage(plan, moat)
  assert.equal(stdout.trim(), '0')
  assert.equal(stderr.trim().split('\n').length, 5, stderr)
  assert.ok(readFileSync('/etc/passwd', 'utf8').length > 0)
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
