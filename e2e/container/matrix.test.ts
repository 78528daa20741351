/** The cases that hold whatever the isolation hold in containers: the same list that a process and a machine are held to. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { CASES } from '../../test/e2e/matrix/cases.ts'
import { BUILT_PROGRAM } from '../../test/support/program.ts'
import { asUser, NODE, PROGRAM, tryAsUser } from '../lab/lab.ts'
import { HOME } from './support.ts'

/** Of the user's home: only what lies there is mounted. */
const FOLDER = `${HOME}/matrix`

before(() => asUser('mkdir', FOLDER))
after(() => asUser('rm', '-rf', FOLDER))

test('all of the matrix', async () => {
  const suite = '/project/test/e2e/matrix/containers-in-lab.ts'
  const own = [`TMPDIR=${FOLDER}`, `${BUILT_PROGRAM}=${PROGRAM}`]
  const command = ['env', ...own, 'timeout', '300', NODE, '--test', '--test-reporter=tap', suite]
  const { code, stdout, stderr } = await tryAsUser(command)
  assert.equal(code, 0, `${stdout}${stderr}`)
  assert.match(stdout, new RegExp(`^# pass ${CASES.length}$`, 'm'))
  assert.match(stdout, /^# skipped 0$/m)
})
