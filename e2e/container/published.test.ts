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

test('attack: no file of the folder becomes a program that runs as its owner, by whatever call', async () => {
  const [refused, ...harmless] = (await inCage(CAGE, 'python3', '-c', SET_ID)).split('\n')
  assert.equal(refused, 'EPERM')
  assert.deepEqual(harmless, ['ok', '[0]'])
  assert.equal(await asUser('find', `${PROJECT}/work`, '-type', 'f', '-perm', '/6000'), '')
})

/** What all calls with one of the bits say, and what all without say, each once. */
const SET_ID = `
import errno, os, stat
os.umask(0)
os.chdir('/work')
os.mkdir('set-id')
folder = os.open('set-id', os.O_RDONLY)
os.chdir(folder)
def attempt(call, *arguments, **named):
    try: call(*arguments, **named)
    except OSError as error: return errno.errorcode[error.errno]
    return 'ok'
def attempts(bits):
    for name in os.listdir('.'): os.unlink(name)
    file = os.open('file', os.O_CREAT | os.O_RDWR)
    return [
        attempt(os.chmod, 'file', 0o755 | bits),
        attempt(os.chmod, 'file', 0o755 | bits, dir_fd=folder),
        attempt(os.fchmod, file, 0o755 | bits),
        attempt(os.open, 'made', os.O_CREAT | os.O_WRONLY, 0o755 | bits),
        attempt(os.open, '.', os.O_TMPFILE | os.O_WRONLY, 0o755 | bits),
        attempt(os.mknod, 'node', 0o755 | bits | stat.S_IFREG),
        attempt(os.mkfifo, 'pipe', 0o755 | bits),
    ]
print(*{answer for bits in (0o4000, 0o2000, 0o6000) for answer in attempts(bits)})
print(*set(attempts(0)))
`

test('folders outside the home and credentials are refused, and nothing is saved', async () => {
  await asUser('mkdir', '-p', `${HOME}/.ssh`)
  for (const volume of ['/etc:/data', '/:/data', '~/.ssh:/data', '~/.config/agentcage:/data', '~/none:/data']) {
    await writeUserFile(`${HOME}/refused.yaml`, configFor('refused', { container: { volumes: [volume] } }))
    const { code, stderr } = await tryAgentcage(['cage', 'create', '-c', `${HOME}/refused.yaml`])
    assert.equal(code, 2, stderr)
    assert.match(stderr, /^error: volume host path/m)
  }
  assert.equal(await traces('refused'), '')
})

test('destroyed, the folder is as the workload left it, without what was put there to be mounted over', async () => {
  await agentcage('cage', 'destroy', '-y', CAGE)
  const left = (await asUser('ls', '-A', `${PROJECT}/work`)).trim().split('\n').toSorted()
  assert.deepEqual(left, ['.git', 'result', 'set-id'])
})
