/**
 * A port that is published, and a folder of the user's that the workload may write: who comes from outside is looked into
 * and recorded, nobody else on the network gets in, and what would run later on the host cannot be changed from inside.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { agentcage, asUser, tryAgentcage, tryAsUser, writeUserFile } from '../lab/lab.ts'
import { configFor, createCage, HOME, inCage, traces } from './support.ts'

const CAGE = 'door'
const PROJECT = `${HOME}/project`

/** Answers with what it was asked. */
const SERVER = `
process.on('SIGTERM', () => process.exit(0))
require('node:http').createServer((request, response) => response.end(request.method + ' ' + request.url)).listen(3000)`

before(async () => {
  await agentcage('cage', 'destroy', '-y', CAGE)
  await asUser(
    'bash',
    '-c',
    `rm -rf ${PROJECT}; mkdir -p ${PROJECT}/work/.git/hooks ${PROJECT}/work/.git/objects ${PROJECT}/work/.git/refs`,
  )
  await writeUserFile(`${PROJECT}/work/.git/HEAD`, 'ref: refs/heads/main\n')
  await writeUserFile(`${PROJECT}/work/.git/config`, '[core]\n')
  await createCage(CAGE, {
    container: { command: ['node', '-e', SERVER], ports: ['18080:3000'], volumes: [`${PROJECT}/work:/work`] },
  })
})

after(async () => {
  await agentcage('cage', 'destroy', '-y', CAGE)
  await asUser('rm', '-rf', PROJECT)
})

test('a request from the host reaches the workload and is recorded as inbound', async () => {
  const ask = ['curl', '--silent', '--fail', '--retry', '5', '--retry-all-errors', 'http://127.0.0.1:18080/x']
  assert.equal(await asUser(...ask), 'GET /x')
  assert.match(await agentcage('audit', CAGE, '--json'), /"direction":"inbound"[^\n]*"path":"\/x"/)
})

test('it is bound to loopback, and the workload cannot come in by it', async () => {
  const outside = await tryAsUser(['curl', '--silent', '--max-time', '5', 'http://198.18.0.2:18080/'])
  assert.notEqual(outside.code, 0)
  const doors = `for (const end of ['10', '11']) fetch('http://' + base + '.' + end + ':20000/').then(() => console.log('OPEN'), () => {})`
  const base = `const base = require('node:os').networkInterfaces().eth0[0].address.split('.').slice(0, 3).join('.')`
  assert.equal(await inCage(CAGE, 'env', '-u', 'NODE_USE_ENV_PROXY', 'node', '-e', `${base};${doors}`), '[0]')
})

test('the folder can be written, but nothing in it that would run on the host', async () => {
  assert.equal(await inCage(CAGE, 'touch', '/work/result'), '[0]')
  assert.match(await asUser('stat', '--format', '%U', `${PROJECT}/work/result`), /^keeper$/m)
  for (const path of ['.git/hooks/post-checkout', '.claude/settings.json', '.vscode/tasks.json', '.envrc'])
    assert.doesNotMatch(await inCage(CAGE, 'touch', `/work/${path}`), /\[0\]$/, path)
  assert.match(await inCage(CAGE, 'sh', '-c', 'echo x >> /work/.git/config'), /Read-only file system/)
})

test('folders outside the home and credentials are refused, and nothing is saved', async () => {
  for (const volume of ['/etc:/data', '/:/data', '~/.ssh:/data', '~/.config/agentcage:/data', '~/none:/data']) {
    await asUser('mkdir', '-p', `${HOME}/.ssh`)
    await writeUserFile(`${HOME}/refused.yaml`, configFor('refused', { container: { volumes: [volume] } }))
    const { code, stderr } = await tryAgentcage(['cage', 'create', '-c', `${HOME}/refused.yaml`])
    assert.equal(code, 2, stderr)
    assert.match(stderr, /^error: volume host path/m)
    assert.equal(await traces('refused'), '')
  }
})

test('destroyed, the folder is as the workload left it, without what was put there to be mounted over', async () => {
  await agentcage('cage', 'destroy', '-y', CAGE)
  const left = (await asUser('ls', '-A', `${PROJECT}/work`)).trim().split('\n').toSorted()
  assert.deepEqual(left, ['.git', 'result'])
})
