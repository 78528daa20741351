/**
 * `agentcage exec` and `shell` at a real terminal, in a cage of containers and in one without: the command has a terminal of
 * the same size, which follows; Ctrl-C is the command's; the exit code is the command's.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { stringify } from 'yaml'
import { TYPIST } from '../test/support/typist.ts'
import { createCage, HOME } from './container/support.ts'
import { agentcage, asUser, NODE, PROGRAM, tryAsUser, writeUserFile } from './lab/lab.ts'

const CAGES = { container: 'typed', process: 'typed-too' } as const

before(async () => {
  for (const name of Object.values(CAGES)) await agentcage('cage', 'destroy', '-y', name)
  await createCage(CAGES.container)
  await writeUserFile(`${HOME}/typed-too.yaml`, stringify({ name: CAGES.process, isolation: 'process' }))
  await asUser('mkdir', '-p', `${HOME}/typed-project`)
  const args = ['-c', `${HOME}/typed-too.yaml`, '--project', `${HOME}/typed-project`]
  await agentcage('cage', 'create', ...args)
})

after(async () => {
  for (const name of Object.values(CAGES)) await agentcage('cage', 'destroy', '-y', name)
  await asUser('rm', '-rf', `${HOME}/typed-project`)
})

/** Says its size whenever that changes, until Ctrl-C. A handler may interrupt itself, which print() does not stand. */
const SIZES = `
import os, signal, sys
def say(*_): os.write(1, b'size %d %d\\n' % os.get_terminal_size())
signal.signal(signal.SIGWINCH, say)
try:
    say()
    while True: signal.pause()
except KeyboardInterrupt:
    print('interrupted', flush=True)
    sys.exit(9)`

for (const [isolation, name] of Object.entries(CAGES)) {
  describe(`isolation: ${isolation}`, () => {
    test('exec: the size follows, Ctrl-C arrives, the exit code comes back', async () => {
      const seen = await typed(`exec ${name} -- python3 -c "$1"`, SIZES, [
        ['size 90 30', { rows: 41, columns: 121 }],
        ['size 121 41', '\x03'],
      ])
      assert.match(seen, /interrupted\r\n(?:.*\r\n)*code=9\r\nsteps left: 0\n$/)
    })

    test('shell: Ctrl-C ends what runs in it, not the shell, whose exit code comes back', async () => {
      const wait = `python3 -c 'import time; print("beg" + "un", flush=True); time.sleep(600)'\r`
      const seen = await typed(`shell ${name}`, '', [
        ['$ ', wait],
        ['begun', '\x03'],
        ['KeyboardInterrupt', 'test -t 0 && test -t 1 && echo st""ill; exit 7\r'],
      ])
      assert.match(seen, /still\r\n(?:.*\r\n)*code=7\r\nsteps left: 0\n$/)
    })

    test('exec: a command that reads its terminal to the end has the end', async () => {
      const seen = await typed(`exec ${name} -- sh -c "$1"`, 'echo ready; cat', [['ready', 'a line\r\x04']])
      assert.match(seen, /a line\r\na line\r\n(?:.*\r\n)*code=0\r\nsteps left: 0\n$/)
    })
  })
}

type Steps = readonly (readonly [
  prompt: string,
  answer: string | { readonly rows: number; readonly columns: number },
])[]

/** All that is seen at a terminal at which `agentcage COMMAND` is started, with `argument` as its `$1`. */
async function typed(command: string, argument: string, steps: Steps): Promise<string> {
  const script = `${NODE} ${PROGRAM} ${command}; echo code=$?`
  const argv = ['/bin/bash', '-c', script, 'typed', argument]
  const { stdout } = await tryAsUser(['timeout', '60', 'python3', '-c', TYPIST, JSON.stringify([argv, steps])])
  return stdout
}
