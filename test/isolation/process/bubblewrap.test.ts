/*
 * The arguments of bubblewrap, as a golden file: one option a line. Values go through a descriptor, never on the command
 * line, and cannot become options of their own.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { WorkloadPlan } from '../../../src/isolation/isolation.ts'
import { bubblewrapArguments } from '../../../src/isolation/process/bubblewrap.ts'
import { CageError } from '../../../src/errors.ts'
import { assertGolden } from '../../support/golden.ts'

const GOLDEN = join(import.meta.dirname, 'golden')

const PLAN: WorkloadPlan = {
  command: ['node', 'agent.js', '--flag', 'with space', '$HOME'],
  workingDirectory: '/home/person/project',
  environment: { HOME: '/home/person', TOKEN: 'agentcage:secret:TOKEN:0123', EMPTY: '', LINES: 'one\n--bind\n/' },
  mounts: [
    { kind: 'bind', source: '/usr', target: '/usr', writable: false },
    { kind: 'symlink', target: '/bin', to: 'usr/bin' },
    { kind: 'proc', target: '/proc' },
    { kind: 'mask', target: '/proc/kallsyms', over: 'file' },
    { kind: 'mask', target: '/proc/scsi', over: 'directory' },
    { kind: 'dev', target: '/dev' },
    { kind: 'tmpfs', target: '/tmp', mode: 0o1777, sizeBytes: 67_108_864 },
    { kind: 'tmpfs', target: '/home/person' },
    { kind: 'directory', target: '/home/person/.cache' },
    { kind: 'bind', source: '/home/person/project', target: '/home/person/project', writable: true },
    { kind: 'mask', target: '/home/person/project/.envrc', over: 'file' },
  ],
  limits: {},
}

function rendered(plan: WorkloadPlan, newSession: boolean, processLimit: number): string {
  const { command, options, emptyFiles } = bubblewrapArguments(plan, { newSession, processLimit })
  const parts = options
    .toString()
    .split('\0')
    .slice(0, -1)
    .map((part) => JSON.stringify(part).slice(1, -1))
  const lines = parts.map((part) => (part.startsWith('--') ? `\n${part}` : ` ${part}`)).join('')
  return `# on the command line\n${command.join(' ')}\n\n# in the descriptor${lines}\n\n# empty files: ${emptyFiles}\n`
}

test('a full plan, without a terminal', () => {
  assertGolden(join(GOLDEN, 'bubblewrap.txt'), rendered(PLAN, true, 4096))
})

test('a terminal keeps its session, and all else is the same', () => {
  const lines = (newSession: boolean): readonly string[] => rendered(PLAN, newSession, 0).split('\n')
  assert.deepEqual(
    lines(true).filter((line) => line !== '--new-session'),
    lines(false),
  )
})

test('nothing of the environment is on the command line', () => {
  const { command, options } = bubblewrapArguments(PLAN, { newSession: true, processLimit: 0 })
  assert.ok(!command.join('\0').includes('agentcage:secret'))
  assert.ok(options.includes('\0--setenv\0TOKEN\0agentcage:secret:TOKEN:0123\0'))
})

test('a root of the plan’s own is not made read-only behind its back', () => {
  const mounts = [{ kind: 'bind', source: '/', target: '/', writable: true }] as const
  const { options } = bubblewrapArguments({ ...PLAN, mounts }, { newSession: true, processLimit: 0 })
  assert.ok(!options.includes('--remount-ro'))
})

test('a NUL byte, which would read as another option, is refused wherever it stands', () => {
  const evil = 'x\0--bind\0/\0/'
  const plans: readonly WorkloadPlan[] = [
    { ...PLAN, environment: { A: evil } },
    { ...PLAN, environment: { [evil]: '' } },
    { ...PLAN, workingDirectory: evil },
    { ...PLAN, command: ['sh', evil] },
    { ...PLAN, mounts: [{ kind: 'bind', source: evil, target: '/a', writable: false }] },
    { ...PLAN, mounts: [{ kind: 'symlink', target: '/a', to: evil }] },
  ]
  for (const plan of plans) {
    assert.throws(
      () => bubblewrapArguments(plan, { newSession: true, processLimit: 0 }),
      (error) => error instanceof CageError && error.code === 'workload_failed',
    )
  }
})
