/*
 * At a terminal: the workload has it, with its size and job control. Ctrl-C and Ctrl-\ reach the command once and nobody
 * else, so that a program that handles them goes on; Ctrl-Z stops a job of a shell inside. Without a terminal on standard
 * input the workload has none at all.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { missingTools } from '../../support/requires.ts'
import { TYPIST } from '../../support/typist.ts'
import { plainPlan, runInCage, withMoat, withoutCages, withoutPython } from './real-cage.ts'

const skip = withoutPython('fcntl', 'pty', 'termios') || missingTools('bash', 'stty')

/** A supervisor as `agentcage run` is one: it outlives Ctrl-C and ends with the command. */
const SUPERVISOR = `
import { openMoat } from ${JSON.stringify(import.meta.resolve('../../../src/isolation/process/moat.ts'))}
import { launchWorkload } from ${JSON.stringify(import.meta.resolve('../../../src/isolation/process/launch.ts'))}
import { plainPlan, PROXY } from ${JSON.stringify(import.meta.resolve('./real-cage.ts'))}
for (const signal of ['SIGINT', 'SIGQUIT']) process.on(signal, () => {})
const moat = await openMoat({ tcpPorts: [], proxy: PROXY })
const workload = await launchWorkload(plainPlan(process.argv.slice(1)), moat, { stdio: ['inherit', 'inherit', 'inherit'] })
const { code } = await workload.exited
moat.close()
console.log('ended with ' + code)`

async function atTerminal(
  t: TestContext,
  command: readonly string[],
  steps: readonly (readonly [string, string])[],
  { direct = false, environment = {} }: { readonly direct?: boolean; readonly environment?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const [first = '', ...rest] = command
  const argv = direct
    ? ['/usr/bin/env', first, ...rest]
    : [process.execPath, '--input-type=module', '-e', SUPERVISOR, '--', ...command]
  const child = spawn('/usr/bin/python3', ['-c', TYPIST, JSON.stringify([argv, steps])], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  })
  t.after(() => child.kill('SIGKILL')) // Its terminal hangs up then, and with it ends the rest.
  const out = (await text(child.stdout)).replaceAll('\r', '')
  assert.match(out, /steps left: 0/, out)
  return out
}

test('a program that handles Ctrl-C or Ctrl-\\ gets it once and goes on', { skip }, async (t) => {
  // Not `read` at once: a shell that a signal reaches just before it waits for input waits on, and traps nothing.
  const script = `trap "echo caught; caught=1" INT QUIT; echo ready
    until test "$caught"; do sleep 0.1; done; read x; echo "read $x"; exit 7`
  for (const key of ['\x03', '\x1c']) {
    const out = await atTerminal(
      t,
      ['bash', '-c', script],
      [
        ['ready', key],
        ['caught', 'more\n'],
      ],
    )
    assert.equal(out.match(/caught/g)?.length, 1, out)
    assert.match(out, /read more/)
    assert.match(out, /ended with 7/)
  }
})

test('a program that does not handle Ctrl-C ends with 130', { skip }, async (t) => {
  assert.match(await atTerminal(t, ['sh', '-c', 'echo ready; exec sleep 1000'], [['ready', '\x03']]), /ended with 130/)
})

/** A job that says when it runs, in a way that its echoed command line does not. */
const job = (mark: number): string => `sh -c 'printf "%s-%s\\n" job ${mark}; exec sleep 1000'\n`

test('the terminal has its size, and a shell has job control', { skip }, async (t) => {
  const out = await atTerminal(
    t,
    ['bash', '--norc', '--noprofile', '-i'],
    [
      [process.getuid?.() === 0 ? '# ' : '$ ', `stty size; ${job(1)}`],
      ['job-1', '\x1a'],
      ['Stopped', `kill %1; fg; printf "%s left\n" "$(jobs | wc -l)"; ${job(2)}`],
      ['job-2', '\x03'],
      ['^C', 'exit 3\n'],
    ],
  )
  assert.match(out, /^30 90$/m)
  assert.match(out, /^0 left$/m)
  assert.doesNotMatch(out, /no job control/)
  assert.match(out, /ended with 3/)
})

test('a signal to the process group stays in the cage', { skip }, async (t) => {
  for (const signal of [9, 15]) {
    const script = `echo begun; perl -e 'kill ${signal}, 0' 2>/dev/null; kill -${signal} 0; sleep 1000`
    const out = await atTerminal(t, ['sh', '-c', script], [['ended with', '']])
    assert.match(out, /begun/)
    assert.match(out, new RegExp(`ended with ${128 + signal}`), 'the supervisor is of the group that the cage was in')
  }
})

test(
  'Ctrl-Z stops the cage as a job of the shell that it was started in, and fg goes on with it',
  { skip },
  async (t) => {
    const script = `trap "echo going on; on=1" CONT; echo ready
      until test "$on"; do sleep 0.1; done; read x; echo "read $x"; exit 7`
    const supervisor = [
      'exec',
      process.execPath,
      '--input-type=module',
      '-e',
      '"$SUPERVISOR"',
      '--',
      'bash',
      '-c',
      '"$SCRIPT"',
    ]
    const out = await atTerminal(
      t,
      ['bash', '--norc', '--noprofile', '-i'],
      [
        ['OUTER> ', `(${supervisor.join(' ')})\n`],
        ['ready', '\x1a'],
        ['Stopped', 'fg\n'],
        ['going on', 'more\n'],
        ['ended with 7', 'exit\n'],
      ],
      { direct: true, environment: { SUPERVISOR, SCRIPT: script, PS1: 'OUTER> ' } },
    )
    assert.match(out, /read more/)
  },
)

test('in the background the workload has no terminal to read from', { skip }, async (t) => {
  const supervisor = [process.execPath, '--input-type=module', '-e', '"$SUPERVISOR"', '--', 'sh', '-c', '"$SCRIPT"']
  const out = await atTerminal(
    t,
    ['bash', '--norc', '--noprofile', '-i'],
    [
      ['OUTER> ', `${supervisor.join(' ')} &\n`],
      ['ended with 3', 'exit\n'],
    ],
    { direct: true, environment: { SUPERVISOR, SCRIPT: 'cat; tty; exit 3', PS1: 'OUTER> ' } },
  )
  assert.match(out, /not a tty/)
})

test('without a terminal on standard input the workload cannot open one', { skip: withoutCages }, async (t) => {
  const { stdout, stderr } = await runInCage(
    plainPlan(['sh', '-c', 'ps -o sid= -p 1 >/dev/null; tty; : </dev/tty']),
    await withMoat(t),
  )
  assert.match(stdout, /not a tty/)
  assert.match(stderr, /\/dev\/tty/)
})
