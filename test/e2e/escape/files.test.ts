/**
 * Escapes by files: reading what is agentcage's (keys, secrets, configuration, audit) or the person's, writing anything
 * outside the project, and getting there by links.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { CageHost, withoutCages } from '../support/cage.ts'
import type { CageSession } from '../support/session.ts'

const SECRET = 'live-2f8c5a90d1e74b36'

describe('files', { skip: withoutCages }, () => {
  let host: CageHost
  let cage: CageSession

  before(async () => {
    host = await CageHost.open({
      config: {
        secret_injection: [
          { env: 'STORED', inject_to: ['api.test'] },
          { env: 'FROM_ENVIRONMENT', inject_to: ['api.test'] },
        ],
      },
      env: { FROM_ENVIRONMENT: SECRET },
    })
    for (const [path, content] of Object.entries(PRIVATE)) await put(join(host.home, path), content)
    await put(join(host.home, '.config/agentcage/deployments/project/secrets/STORED'), SECRET)
    await symlink(join(host.home, '.ssh'), join(host.project, 'keys'))
    await symlink('../../cage.yaml', join(host.project, 'up'))
    cage = await host.session()
  })
  after(async () => {
    await cage.close()
    await host[Symbol.asyncDispose]()
  })

  const cannotRead = async (path: string): Promise<void> => {
    for (const way of [
      path,
      `/proc/self/root${path}`,
      `/proc/1/root${path}`,
      join(host.project, 'x/../../../..', path),
    ]) {
      const { stdout } = await cage.run(['head', '-c', '100', way]).catch(() => ({ stdout: '' }))
      assert.equal(stdout, '', way)
    }
  }

  test('agentcage’s own: authority key, placeholders, audit, secrets, configuration', async () => {
    const own = [host.state, join(host.home, '.config/agentcage')].flatMap(filesIn)
    for (const name of ['audit.jsonl', 'STORED'])
      assert.ok(
        own.some((path) => path.endsWith(name)),
        name,
      )
    assert.ok(own.some((path) => readFileSync(path, 'utf8').includes('PRIVATE KEY')))
    for (const path of [...own, host.configPath]) await cannotRead(path)
  })

  test('the person’s: keys, credentials, history, whatever lies in the home', async () => {
    for (const path of Object.keys(PRIVATE)) await cannotRead(join(host.home, path))
    assert.equal((await cage.sh('ls -A ~')).stdout, 'project\n')
  })

  test('the system’s: password hashes, other homes, logs, temporary files', async () => {
    for (const path of [
      '/etc/shadow',
      '/etc/gshadow',
      '/etc/sudoers',
      '/root/.bashrc',
      '/var/log/dpkg.log',
      '/boot',
      '/proc/1/root/root',
    ])
      assert.equal(
        (await cage.sh(`head -c 100 ${path} 2>/dev/null; ls ${path}/* 2>/dev/null`)).stdout.replaceAll(`${path}\n`, ''),
        '',
        path,
      )
    // Where this checkout lies in the same folder, its Node is shown to the cage too.
    const homes = dirname(host.folder)
    const shown = [host.folder, process.execPath].filter((path) => path.startsWith(`${homes}/`))
    const names = new Set(shown.map((path) => path.slice(homes.length + 1).split('/')[0]))
    assert.deepEqual(new Set((await cage.sh(`ls ${homes}`)).stdout.trim().split('\n')), names)
  })

  test('no secret is anywhere that the workload can look', async () => {
    const { stdout } = await cage.sh(
      `env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; grep -rsF ${SECRET.slice(0, -1)} ~ /run /tmp /var /etc/ssl`,
    )
    assert.ok(!stdout.includes(SECRET))
    assert.match(stdout, /^STORED=agentcage:secret:STORED:[0-9a-f]{32}$/m)
  })

  test('links in the project lead to what the cage has there, which is nothing', async () => {
    for (const path of ['keys/id_ed25519', 'up']) assert.notEqual((await cage.run(['cat', path])).code, 0, path)
    const { code } = await cage.sh(`ln -s ${host.home}/.ssh new && cat new/id_ed25519`)
    assert.notEqual(code, 0)
    // Through it, something of the host's would be written.
    await cage.sh('rm -f keys && mkdir -p ~/.ssh && ln -s ~/.ssh keys && echo planted > keys/authorized_keys')
    assert.ok(!existsSync(join(host.home, '.ssh/authorized_keys')))
  })

  test('nothing outside the project can be written', async () => {
    const outside = (): readonly string[] =>
      filesIn(host.home)
        .filter((path) => !path.startsWith(host.project) && !path.endsWith('/audit.jsonl'))
        .map((path) => `${path} ${statSync(path).size}`)
    const untouched = outside()
    for (const path of SYSTEM) assert.notEqual((await cage.sh(`echo x >> ${path}`)).code, 0, path)
    for (const path of OF_HOME) await cage.sh(`mkdir -p "$(dirname ~/${path})"; echo planted > ~/${path}`)
    assert.deepEqual(outside(), untouched)
  })

  test('hard links cannot be made to what is shown read-only', async () => {
    for (const path of ['/etc/passwd', '/usr/bin/env', '/run/agentcage/ca.pem'])
      assert.notEqual((await cage.sh(`ln ${path} linked`)).code, 0, path)
  })

  test('the project itself can be written, and the host sees it', async () => {
    assert.equal((await cage.sh('mkdir -p made && echo here > made/file')).code, 0)
    assert.equal(readFileSync(join(host.project, 'made/file'), 'utf8'), 'here\n')
  })
})

/** In the home. */
const PRIVATE: Readonly<Record<string, string>> = {
  '.ssh/id_ed25519': 'a key',
  '.aws/credentials': 'a key',
  '.netrc': 'a password',
  '.bash_history': 'a password',
  '.gitconfig': '[user]\n\tname = A Person\n[credential]\n\thelper = store',
  'other-project/.env': 'a key',
}

const SYSTEM = [
  '/usr/bin/x',
  '/etc/x',
  '/opt/x',
  '/x',
  '/lib/x',
  '/bin/sh',
  '/etc/passwd',
  '/etc/ld.so.preload',
  '/etc/resolv.conf',
  '/run/agentcage/ca.pem',
]

const OF_HOME = [
  '.bashrc',
  '.profile',
  '.ssh/config',
  '.config/agentcage/x',
  '.local/state/agentcage/x',
  '../cage.yaml',
  'other-project/x',
]

async function put(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFile(path, content, { mode: 0o600 })
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
}
