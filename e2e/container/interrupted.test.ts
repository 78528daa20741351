/** Commands that are cut off: what they can hear puts all back as it was, and what they cannot is mended by the next one. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { CommandResult } from '../../test/support/command.ts'
import { agentcage, NODE, PROGRAM, tryAsUser, writeUserFile } from '../lab/lab.ts'
import { configFor, HOME, inCage, traces } from './support.ts'

const CAGE = 'cut'
const FILE = `${HOME}/cut.yaml`
const UNIT = `${HOME}/.config/containers/systemd/cut-cage.container`

before(async () => {
  await agentcage('cage', 'destroy', '-y', CAGE)
  await writeUserFile(FILE, configFor(CAGE, { container: { env: { STATE: 'first' } } }))
})

after(async () => {
  await agentcage('cage', 'destroy', '-y', CAGE)
})

/** Sends a signal to `agentcage cage ARGS` once a shell condition holds, and waits for its end. */
async function cut(args: string, signal: string, condition: string): Promise<CommandResult> {
  const script = `${NODE} ${PROGRAM} cage ${args} > ${HOME}/cut.out & command=$!
    until ${condition}; do kill -0 $command || exit 99; sleep 0.05; done
    kill -${signal} $command; wait $command`
  return tryAsUser(['timeout', '120', 'bash', '-c', script])
}

test('a create that gets a signal leaves nothing, and says so', async () => {
  const { code, stderr } = await cut(`create -c ${FILE}`, 'TERM', `test -e ${UNIT}`)
  assert.equal(code, 143)
  assert.match(stderr, /^error: ended by SIGTERM before the cage was ready; all is as it was before$/m)
  assert.equal(await traces(CAGE), '')
})

test('one that is killed is no cage yet, and may be repeated', async () => {
  assert.equal((await cut(`create -c ${FILE}`, 'KILL', `test -e ${UNIT}`)).code, 137)
  assert.match(await agentcage('cage', 'list'), /^cut +incomplete$/m)
  await agentcage('cage', 'create', '-c', FILE)
  assert.match(await agentcage('cage', 'list'), /^cut +running \(3\/3\)$/m)
})

test('an update that gets a signal puts the cage back, at work', async () => {
  await writeUserFile(FILE, configFor(CAGE, { container: { env: { STATE: 'second' } } }))
  const updated = await cut(`update ${CAGE} -c ${FILE}`, 'TERM', `grep -qs Stopping ${HOME}/cut.out`)
  assert.equal(updated.code, 143)
  assert.match(updated.stderr, /all is as it was before/)
  assert.match(await agentcage('cage', 'list'), /^cut +running \(3\/3\)$/m)
  assert.equal(await inCage(CAGE, 'node', '-p', 'process.env.STATE'), 'first\n[0]')
})
