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

/** Sends a signal to `agentcage cage ARGS` once a shell condition holds, and waits for its end. `first` runs before. */
async function cut(args: string, signal: string, condition: string, first = ''): Promise<CommandResult> {
  const script = `${first}
    ${NODE} ${PROGRAM} cage ${args} > ${HOME}/cut.out & command=$!
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

/** Takes requests without TLS and never answers. The first one makes the file `asked`. */
const REGISTRY = `const { writeFileSync } = require('node:fs')
require('node:net').createServer((socket) => socket.on('error', () => {}).once('data', ([first]) => {
  if (first === 22) socket.destroy()
  else writeFileSync('asked', '')
})).listen(0, '127.0.0.1', function () { writeFileSync('port', String(this.address().port)) })
`

test('a pull that never ends is ended by a signal', async (t) => {
  const settings = `${HOME}/.config/containers/registries.conf.d/slow.conf`
  t.after(() => tryAsUser(['rm', '-f', settings, 'registry.cjs', 'port', 'asked', 'slow.yaml']))
  await writeUserFile(`${HOME}/registry.cjs`, REGISTRY)
  await writeUserFile(settings, '[[registry]]\nlocation = "127.0.0.1:PORT"\ninsecure = true\n')
  await writeUserFile(`${HOME}/slow.yaml`, configFor(CAGE, { container: { image: '127.0.0.1:PORT/agent:1' } }))
  const first = `${NODE} registry.cjs & registry=$!; trap 'kill $registry' EXIT
    until test -s port; do sleep 0.05; done; sed -i "s/PORT/$(<port)/" slow.yaml ${settings}`
  const { code, stderr } = await cut('create -c slow.yaml', 'TERM', 'test -e asked', first)
  assert.equal(code, 143, stderr)
  assert.match(stderr, /all is as it was before$/m)
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
