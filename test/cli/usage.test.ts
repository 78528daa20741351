/**
 * A command line that is wrong ends with 2, one line that says what is wrong, and where to look; nothing goes to standard
 * output. Values are not repeated: they may be secrets.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { main } from '../../src/cli/main.ts'
import { withFolder } from '../support/temporary.ts'
import { captureIo, cli } from './captured-io.ts'

const WRONG: Readonly<Record<string, readonly [argv: readonly string[], message: string]>> = {
  'no such command': [['audti'], "no such command: 'audti' (did you mean audit?)"],
  'nothing like a command': [['frobnicate'], "no such command: 'frobnicate'"],
  'no such subcommand': [['config', 'chek'], "no such command: 'chek' (did you mean check?)"],
  'a flag where a command belongs': [['--frob'], "no such command: '--frob'"],
  'no such flag': [['doctor', '--jsn'], 'no such flag: --jsn (did you mean --json?)'],
  'no such short flag': [['doctor', '-x'], 'no such flag: -x'],
  'a flag that is needed': [['egress', '-c', 'cage.yaml'], '--state is missing or has no value'],
  'a flag without its value': [['audit', '--host'], '--host is missing or has no value'],
  'a flag twice': [['audit', '--host', 'a', '--host', 'b'], '--host is given more than once'],
  'a value of an enumeration': [['audit', '-d', 'denied'], '--decision: must be one of allowed, flagged, blocked'],
  'a number': [['audit', '-n', '-1x'], '--lines: must be a whole number, 0 or more'],
  'no argument': [['config', 'check'], 'FILE is missing'],
  'an argument where there is none': [['config', 'schema', 'x'], 'there are no arguments here'],
  'an argument too many, not repeated': [['secret', 'set', 'a', 'KEY', 'hunter2'], 'there are more arguments than 2'],
  'an empty argument': [['config', 'check', ''], 'FILE: must not be empty'],
  'nothing to run': [['run', '-q'], 'COMMAND is missing'],
  'nothing to run after --': [['run', '--'], 'COMMAND is missing'],
  'a cage and nothing to run in it': [['cage', 'exec', 'demo'], 'COMMAND is missing'],
  'no cage': [['exec'], 'NAME is missing'],
  'a cage and no host': [['domain', 'rm', 'demo'], 'HOST is missing'],
  'a URL for a host': [['run', '--allow', 'https://a.example', 'true'], '--allow: must be a host name, not a URL'],
  'a host that is none': [
    ['run', '--allow', 'a_.example/x', 'true'],
    '--allow: must be a host name or an address, such as api.example.com',
  ],
  'a secret without a name, not repeated': [
    ['run', '-s', '=hunter2', 'true'],
    '--secret: must be KEY or KEY=VALUE with a KEY such as ANTHROPIC_API_KEY',
  ],
  'a secret with a bad name, not repeated': [
    ['run', '--secret=A-B=hunter2', 'true'],
    '--secret: must be KEY or KEY=VALUE with a KEY such as ANTHROPIC_API_KEY',
  ],
  'a secret of several lines with a bad name, not repeated': [
    ['run', '--secret=A-B=hunter2\nhunter3', 'true'],
    '--secret: must be KEY or KEY=VALUE with a KEY such as ANTHROPIC_API_KEY',
  ],
  'a secret without a value': [['run', '-s', 'A=', 'true'], '--secret: A has an empty value'],
  'a listener without a port': [
    ['egress', '-c', 'x', '--state', 'x', '--proxy', '127.0.0.1'],
    '--proxy: must be ADDRESS:PORT, such as 127.0.0.1:0 or [::1]:8080',
  ],
}

/** What of these command lines is a command or a group of them. */
const COMMANDS =
  /^agentcage(?: (?:run|exec|doctor|egress|audit|cage(?: exec)?|config(?: check| schema)?|secret(?: set)?|domain(?: rm)?)(?= |$))?/

function commandIn(argv: readonly string[]): string {
  return COMMANDS.exec(['agentcage', ...argv].join(' '))?.[0] ?? ''
}

describe('wrong command lines', () => {
  for (const [name, [argv, message]] of Object.entries(WRONG)) {
    test(name, async () => {
      const { code, stdout, stderr } = await cli(...argv)
      assert.equal(stderr, `error: ${message}\n  Try '${commandIn(argv)} --help'.\n`)
      assert.deepEqual([code, stdout], [2, ''])
      assert.doesNotMatch(stderr, /hunter/)
    })
  }

  test('with everything that is missing', async () => {
    const { code, stderr } = await cli('egress')
    assert.equal(code, 2)
    assert.match(stderr, /--config is missing[^]*--state is missing/)
  })
})

describe('help and version', () => {
  test('--version in the words of the original', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
      readonly version: string
    }
    assert.deepEqual(await cli('--version'), { code: 0, stdout: `agentcage, version ${version}\n`, stderr: '' })
  })

  for (const argv of [[], ['--help'], ['-h']]) {
    test(`agentcage ${argv.join(' ')} explains itself`, async () => {
      const { code, stdout, stderr } = await cli(...argv)
      assert.deepEqual([code, stderr], [0, ''])
      assert.match(stdout, /^USAGE\n/)
      assert.match(stdout, /\n\nDefense-in-depth proxy sandbox for AI agents\.\n\n/)
      for (const name of ['run', 'egress', 'secret', 'audit', 'doctor', 'config', 'completions']) {
        assert.match(stdout, new RegExp(`^  ${name} +\\S`, 'm'))
      }
    })
  }

  for (const name of ['run', 'egress', 'secret', 'audit', 'doctor', 'config', 'completions']) {
    test(`agentcage ${name} --help`, async () => {
      const { code, stdout, stderr } = await cli(name, '--help')
      assert.deepEqual([code, stderr], [0, ''])
      assert.match(stdout, new RegExp(`^USAGE\\n  agentcage ${name} `))
    })
  }
})

test('whether a cage is to be destroyed is asked only when there is one', async (t) => {
  const { io, written } = captureIo({ HOME: await withFolder(t) })
  assert.equal(await main(['cage', 'destroy', 'nosuch'], io), 0)
  assert.deepEqual(await written(), { stdout: 'Nothing to remove (cage "nosuch" not found).\n', stderr: '' })
})
