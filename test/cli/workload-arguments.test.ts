/** From its first word on, the command line of the workload is not ours: whatever it says, it arrives as it was typed. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { buildApplication, buildRouteMap, run, type Command } from '@stricli/core'
import * as fc from 'fast-check'
import type { CliContext } from '../../src/cli/command.ts'
import { runRoute } from '../../src/cli/routes/run.ts'
import { separateWorkload } from '../../src/cli/workload-arguments.ts'
import { captureIo } from './captured-io.ts'

const SEPARATED: Readonly<Record<string, readonly [argv: readonly string[], separated: readonly string[]]>> = {
  'a bare command': [
    ['run', 'curl', '-h'],
    ['run', '--', 'curl', '-h'],
  ],
  'after --': [
    ['run', '--', 'curl', '-h'],
    ['run', '--', 'curl', '-h'],
  ],
  'after flags': [
    ['run', '-q', '-c', 'cage.yaml', '--allow', 'a.example', 'curl', '--version'],
    ['run', '-q', '-c', 'cage.yaml', '--allow', 'a.example', '--', 'curl', '--version'],
  ],
  'after flags with =': [
    ['run', '--config=cage.yaml', 'sh', '-c', 'x'],
    ['run', '--config=cage.yaml', '--', 'sh', '-c', 'x'],
  ],
  'its own -- stays': [
    ['run', 'npm', 'test', '--', '-x'],
    ['run', '--', 'npm', 'test', '--', '-x'],
  ],
  'a second --': [
    ['run', '--', '--', 'x'],
    ['run', '--', '--', 'x'],
  ],
  'help of run': [
    ['run', '--help'],
    ['run', '--help'],
  ],
  'a flag that takes -- for its value': [
    ['run', '-c', '--', 'x'],
    ['run', '-c', '--', '--', 'x'],
  ],
  'a flag without its value': [
    ['run', '-c'],
    ['run', '-c'],
  ],
  'an empty word': [
    ['run', '', 'x'],
    ['run', '--', '', 'x'],
  ],
  'a dash': [
    ['run', '-', 'x'],
    ['run', '--', '-', 'x'],
  ],
  'a secret of several lines': [
    ['run', '--secret=KEY=a\nb', 'x'],
    ['run', '--secret', 'KEY=a\nb', '--', 'x'],
  ],
  'a scaffold': [
    ['run', '-q', 'claude-code'],
    ['run', '-q', '--scaffold', 'claude-code'],
  ],
  'arguments of a scaffold': [
    ['run', 'codex', 'exec', '--', '-h'],
    ['run', '--scaffold', 'codex', '--with-arguments', '--', 'exec', '--', '-h'],
  ],
  'a command in place of a scaffold': [
    ['run', 'codex', '--', 'sh', '-c', 'x'],
    ['run', '--scaffold', 'codex', '--', 'sh', '-c', 'x'],
  ],
  'a command that is called like a scaffold': [
    ['run', '--', 'codex', '-h'],
    ['run', '--', 'codex', '-h'],
  ],
  'a command that is called like a scaffold, with a configuration': [
    ['run', '--config=cage.yaml', 'codex'],
    ['run', '--config=cage.yaml', '--', 'codex'],
  ],
  'a command in a cage': [
    ['exec', 'demo', 'ls', '-l'],
    ['exec', 'demo', '--', 'ls', '-l'],
  ],
  'a command in a cage, after flags and --': [
    ['cage', 'exec', '-s', 'egress', 'demo', '--', 'ls', '--help'],
    ['cage', 'exec', '-s', 'egress', 'demo', '--', 'ls', '--help'],
  ],
  'help of exec': [
    ['exec', 'demo', '--help'],
    ['exec', 'demo', '--help'],
  ],
  'another command': [
    ['audit', 'run', '-f'],
    ['audit', 'run', '-f'],
  ],
  nothing: [[], []],
}

describe('where the command line is parted', () => {
  for (const [name, [argv, separated]] of Object.entries(SEPARATED)) {
    test(name, () => assert.deepEqual(separateWorkload(argv), separated))
  }
})

test('any command arrives as it was typed', async () => {
  const flagLike = fc.constantFrom(
    '-h',
    '--help',
    '--version',
    '-c',
    '--config',
    '--secret=x',
    '--',
    '-',
    '',
    '-q',
    '--allow',
    'run',
  )
  const word = fc.oneof(flagLike, fc.string(), fc.string({ unit: 'binary' }))
  const program = fc.string({ minLength: 1 }).filter((text) => !text.startsWith('-'))
  const ours = fc.constantFrom<readonly string[]>(
    [],
    ['-q'],
    ['-c', 'cage.yaml'],
    ['--allow', 'a.example', '--'],
    ['--'],
  )
  await fc.assert(
    fc.asyncProperty(ours, program, fc.array(word), async (flags, first, rest) => {
      assert.deepEqual(await received(['run', ...flags, first, ...rest]), [first, ...rest])
    }),
  )
})

test('after -- even a program whose name is a flag arrives', async () => {
  assert.deepEqual(await received(['run', '--', '--version', '-h']), ['--version', '-h'])
})

/** What the command behind `run` gets, through the framework itself and the route's own flags; it does nothing with it. */
async function received(argv: readonly string[]): Promise<readonly unknown[] | undefined> {
  let arrived: readonly unknown[] | undefined
  const probe: Command<CliContext> = {
    ...runRoute,
    loader:
      async () =>
      (_flags, ...words) => {
        arrived = words
      },
  }
  const routes = buildRouteMap({ docs: { brief: 'probe' }, routes: { run: probe } })
  const app = buildApplication(routes, {
    name: 'agentcage',
    scanner: { caseStyle: 'allow-kebab-for-camel', allowArgumentEscapeSequence: true },
  })
  const { io, written } = captureIo()
  await run(app, separateWorkload(argv), { process: io, io, finish: () => {} })
  assert.equal((await written()).stderr, '')
  return arrived
}
