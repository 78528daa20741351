/**
 * Escapes in time: leaving something in the project that runs later, outside, or that changes what the cage allows. Hooks
 * and settings of git, editors, agents and shells, and the cage's own configuration where it lies in the project, hold
 * against writing, replacing, renaming them or their folders, links, and exchanging one for the other.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { CageHost, withoutCagesOr } from '../support/cage.ts'
import type { CageSession } from '../support/session.ts'

/** Swaps two paths in one step, as nothing in coreutils does: libc's renameat2(…, RENAME_EXCHANGE). */
const EXCHANGE = `python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2) != 0)'`

/** What is tried against a path `$1`, which may be a file or a folder. */
const ATTEMPTS = [
  'echo planted > "$1"',
  'echo planted >> "$1"',
  'echo planted > "$1/planted"',
  'rm -rf "$1" && echo planted > "$1"',
  'mv "$1" away',
  'echo planted > new && mv -f new "$1"',
  'mkdir -p folder && mv -T folder "$1"',
  'ln -sfn planted "$1"',
  `echo planted > new && ${EXCHANGE} new "$1"`,
  `mkdir -p folder && ${EXCHANGE} folder "$1"`,
  'ln "$1" linked && echo planted >> linked',
  'mount --bind /tmp "$1"',
  'chmod 777 "$1" && echo planted > "$1"',
  'exec 9>>"$1" && echo planted >&9',
  'truncate -s 0 "$1"',
  'sed -i s/a/planted/ "$1"',
  'git config --file "$1" core.fsmonitor planted',
]

/** What is tried against the folder `$1` that a protected path lies in. */
const ATTEMPTS_ON_FOLDER = [
  'mv "$1" away && mkdir -p "$1" && echo planted > "$1/planted"',
  'mv "$1" away && ln -s away "$1"',
  `mkdir -p folder && ${EXCHANGE} folder "$1"`,
]

const PROTECTED = [
  '.git/hooks',
  '.git/config',
  '.envrc',
  '.claude',
  '.vscode',
  '.mcp.json',
  '.opencode',
  '.zed',
  'conf/cage.yaml',
  'sub/.git/hooks',
  'sub/.git/config',
  'hooks',
]
const FOLDERS = ['.git', 'conf', 'sub', 'sub/.git']

/** What is done on the host while the cage runs: both put another file in the place of one. */
const REPLACEMENTS: Readonly<Record<string, (project: string) => void>> = {
  '.git/config': (project) => git(project, 'config', 'user.name', 'Somebody'),
  'conf/cage.yaml': (project) => {
    const path = join(project, 'conf/cage.yaml')
    writeFileSync(`${path}.new`, readFileSync(path))
    renameSync(`${path}.new`, path)
  },
}

describe('the project', { skip: withoutCagesOr('git', 'python3', 'curl') }, () => {
  let host: CageHost
  let cage: CageSession
  let untouched: readonly string[]

  before(async () => {
    host = await CageHost.open()
    await mkdir(join(host.project, 'sub'))
    for (const folder of ['.', 'sub']) git(join(host.project, folder), 'init', '-q')
    git(host.project, 'config', 'core.hooksPath', 'hooks')
    await host.write('hooks/pre-commit', '#!/bin/sh\n', 0o755)
    await host.write('.git/hooks/pre-push', '#!/bin/sh\n', 0o755)
    await host.write('.vscode/settings.json', '{}')
    await host.write('conf/cage.yaml', 'domains: {list: [allowed.test]}\n')
    untouched = snapshot(host.project)
    cage = await host.session(['-c', 'conf/cage.yaml'])
  })
  after(() => host[Symbol.asyncDispose]())

  for (const path of PROTECTED) {
    test(`${path} stays as it is`, async () => {
      for (const attempt of ATTEMPTS) {
        const { code } = await cage.run(['sh', '-c', attempt, 'sh', path])
        assert.notEqual(code, 0, attempt)
        const { stdout } = await cage.sh(`grep -rls planted ${path}`)
        assert.equal(stdout, '', attempt)
        await cage.sh('rm -rf away new folder linked')
      }
    })
  }

  for (const path of FOLDERS) {
    test(`the folder ${path} stays in its place`, async () => {
      for (const attempt of ATTEMPTS_ON_FOLDER)
        assert.notEqual((await cage.run(['sh', '-c', attempt, 'sh', path])).code, 0, attempt)
      await cage.sh('rm -rf away folder')
    })
  }

  test('git in the cage works, and cannot change its configuration or make hooks run', async () => {
    for (const setting of ['core.fsmonitor', 'core.sshCommand', 'alias.status', 'core.pager', 'include.path'])
      assert.notEqual((await cage.run(['git', 'config', setting, 'planted'])).code, 0, setting)
    const identity = '-c user.name=Workload -c user.email=workload@example.org'
    const { code, stderr } = await cage.sh(`echo x > file && git add file && git ${identity} commit -q -m made`)
    assert.equal(code, 0, stderr)
  })

  test('the configuration in the project is what it was, for the egress too', async () => {
    const { stdout } = await cage.sh(
      "sh -c 'echo domains: {mode: blocklist} > conf/cage.yaml'; curl -sS https://evil.example/",
    )
    assert.match(stdout, /"blocked":\s*true/)
  })

  test('a file that the host replaces meanwhile is protected again', async () => {
    // Bounded by the test's timeout: nothing but the mount keeps the workload from writing.
    const untilProtected = 'until ! test -w "$1"; do sleep 0.02; done; ! echo "# planted" >> "$1"'
    for (const [path, replace] of Object.entries(REPLACEMENTS)) {
      const content = readFileSync(join(host.project, path))
      replace(host.project)
      const { code, stderr } = await cage.run(['sh', '-c', untilProtected, 'sh', path])
      assert.equal(code, 0, stderr)
      assert.match(stderr, /Read-only file system/)
      writeFileSync(join(host.project, path), content)
    }
    for (const attempt of ATTEMPTS)
      assert.notEqual((await cage.run(['sh', '-c', attempt, 'sh', '.git/config'])).code, 0, attempt)
    await cage.sh('rm -rf away new folder linked')
  })

  test('afterwards all is as before, and what was put there to protect is gone', async () => {
    await cage.close()
    const now = snapshot(host.project)
    // What a workload may do to a repository: work in it, and destroy it.
    const ofGit = /^(?:\.git\/(?:objects|logs|index|refs|COMMIT_EDITMSG|HEAD)|file\b)/
    assert.deepEqual(
      now.filter((line) => !untouched.includes(line) && !ofGit.test(line)),
      [],
    )
    const isProtected = (line: string): boolean =>
      PROTECTED.some((path) => line.startsWith(`${path} `) || line.startsWith(`${path}/`))
    assert.deepEqual(now.filter(isProtected), untouched.filter(isProtected))
    for (const name of ['.claude', '.envrc', '.mcp.json', '.opencode', '.zed'])
      assert.ok(!existsSync(join(host.project, name)), name)
  })
})

describe('what cannot be prevented in a project', { skip: withoutCagesOr('git') }, () => {
  test('a new repository that runs something is named at the end', async () => {
    await using host = await CageHost.open()
    const script =
      'git init -q nested && git -C nested config core.fsmonitor "touch /tmp/planted; false" && mkdir -p other && git init -q other && echo x > other/.git/hooks/post-checkout && chmod +x other/.git/hooks/post-checkout'
    const { code, stderr } = await host.run(['sh', '-c', script])
    assert.equal(code, 0, stderr)
    assert.match(stderr, /warning: .*\/nested\/\.git\/config makes git run/)
    assert.match(stderr, /warning: .*\/other\/\.git\/hooks\/post-checkout is a hook/)
  })

  test('looking for what a workload left runs nothing of it, with git or without', async () => {
    await using host = await CageHost.open()
    const marker = join(host.folder, 'ran')
    // A partial clone fetches what is missing by running `remote.NAME.uploadpack`, also for `git ls-files`.
    const script = `
      export HOME=/tmp GIT_CONFIG_GLOBAL=/dev/null; git init -q .; git config user.email a@b; git config user.name a
      mkdir -p a d/e; echo 1 > a/f; echo 2 > d/e/g; git add a d; git commit -qm x
      git sparse-checkout init --cone --sparse-index; git sparse-checkout set a
      rm -f .git/objects/$(git rev-parse HEAD:d | sed 's,^..,&/,')
      git config core.repositoryformatversion 1; git config extensions.partialClone origin
      git config remote.origin.promisor true; git config remote.origin.url "$PWD"
      git config remote.origin.uploadpack 'touch ${marker}; :'`
    const { code, stderr } = await host.run(['sh', '-c', script])
    assert.equal(code, 0, stderr)
    assert.match(stderr, /warning: .*\/\.git\/config makes git run remote\.origin\.uploadpack/)
    assert.equal((await host.run(['true'])).code, 0)
    assert.ok(!existsSync(marker))
  })

  test('a configuration that is a link in the project is refused', async () => {
    await using host = await CageHost.open()
    await host.write('real.yaml', '{}')
    execFileSync('ln', ['-s', 'real.yaml', join(host.project, 'cage.yaml')])
    const { code, stderr } = await host.agentcage(['run', '-c', 'cage.yaml', '--', 'true'])
    assert.equal(code, 2, stderr)
    assert.match(stderr, /symbolic link/)
  })

  test('a volume that holds the configuration is refused, unless it is read-only', async () => {
    await using host = await CageHost.open()
    const data = join(host.home, 'data')
    await mkdir(data)
    const config = join(data, 'cage.yaml')
    const write = (flag: string): void => writeFileSync(config, `container: {volumes: ["${data}:/data${flag}"]}\n`)
    write('')
    const { code, stderr } = await host.agentcage(['run', '-c', config, '--', 'true'])
    assert.equal(code, 2, stderr)
    write(':ro')
    const second = await host.agentcage([
      'run',
      '-c',
      config,
      '--',
      'sh',
      '-c',
      'echo planted >> /data/cage.yaml; true',
    ])
    assert.equal(second.code, 0, second.stderr)
    assert.ok(!readFileSync(config, 'utf8').includes('planted'))
  })
})

function git(folder: string, ...args: readonly string[]): void {
  execFileSync('git', args, { cwd: folder, env: { PATH: process.env['PATH'], HOME: folder } })
}

/** Every path with its kind, mode and content. */
function snapshot(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .toSorted()
    .map((path) => {
      const stats = lstatSync(join(folder, path))
      const content = stats.isFile()
        ? createHash('sha256')
            .update(readFileSync(join(folder, path)))
            .digest('hex')
        : ''
      return `${path} ${stats.mode.toString(8)} ${content}`
    })
}
