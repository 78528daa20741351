import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CageError } from '../../../src/errors.ts'
import { CageBed, withoutBubblewrap, withoutGit } from './cage-bed.ts'

/*
 * What a workload must not leave in a project because it runs later, outside the cage: hooks and configuration of
 * git, settings of agents, editors and shells. It may neither change what is there, nor make what is not there, nor
 * get around either by renaming, linking or replacing. git itself still works inside, and afterwards the project
 * holds nothing that the cage put there.
 */

const skip = withoutBubblewrap || withoutGit

/** Each tries to get `#!/bin/sh evil` run by git, an editor or an agent of the host. */
const ATTACKS: Readonly<Record<string, string>> = {
  'write a hook': 'echo evil > .git/hooks/post-checkout',
  'change a hook': 'echo evil >> .git/hooks/pre-commit',
  'replace a hook': 'echo evil > h; mv -f h .git/hooks/pre-commit',
  'remove a hook': 'rm -f .git/hooks/pre-commit',
  'make a hook executable': 'chmod +x .git/hooks/plain',
  'rename the hooks': 'mv .git/hooks .git/hooks2; mkdir .git/hooks; echo evil > .git/hooks/post-checkout',
  'remove the hooks': 'rm -rf .git/hooks; mkdir .git/hooks; echo evil > .git/hooks/post-checkout',
  'swap the hooks for a link': 'mkdir evil; rmdir .git/hooks; ln -sfn ../evil .git/hooks',
  'link into the hooks': 'echo evil > h; ln h .git/hooks/post-checkout; ln -s ../../h .git/hooks/post-merge',
  'rename .git': 'mv .git .git2; mkdir .git; cp -r .git2/. .git; echo evil > .git/hooks/post-checkout',
  'exchange .git':
    'cp -r .git new; echo evil > new/hooks/post-checkout; perl -e \'syscall 316, -100, "new", -100, ".git", 2\'',
  'configure with git': 'git config core.fsmonitor evil; git config core.hooksPath evil; git config alias.st "!evil"',
  'write the configuration': 'echo "[core] fsmonitor = evil" >> .git/config',
  'replace the configuration':
    'cp .git/config c; echo "[core] fsmonitor = evil" >> c; mv -f c .git/config; cp c .git/config.lock; mv -f .git/config.lock .git/config',
  'hard-link the configuration': 'ln .git/config c && echo evil >> c',
  'configure the work tree': 'git config extensions.worktreeConfig true; git config --worktree core.fsmonitor evil',
  'lead git elsewhere':
    'mkdir -p evil/objects evil/refs; echo "[core] fsmonitor = evil" > evil/config; echo ../evil > .git/commondir',
  'lead git elsewhere by renaming': 'echo ../evil > d; mv -f d .git/commondir',
  'replace .git by a pointer': 'rm -rf .git; echo "gitdir: evil" > .git',
  remount: 'mount -o remount,rw .git/hooks; umount .git/hooks; umount -l .git/config',
  'write agent settings':
    'mkdir -p .claude .cursor .codex .gemini; for d in .claude .cursor .codex .gemini; do echo evil > $d/settings.json; done; echo evil > .mcp.json',
  'write settings of more agents':
    'for d in .opencode .zed .windsurf .continue .kiro .roo .qwen .amazonq; do mkdir -p $d; echo evil > $d/settings.json; mv $d x; mkdir $d; echo evil > $d/x; done',
  'write editor settings':
    'mkdir -p .vscode .idea .devcontainer; for d in .vscode .idea .devcontainer; do echo evil > $d/tasks.json; done',
  'replace settings folders':
    'for d in .claude .vscode; do mv $d x; rm -rf $d; mkdir $d; echo evil > $d/settings.json; ln -sfn evil $d; done',
  'write shell settings': 'echo evil > .envrc; rmdir .envrc; mv .envrc e; echo evil > .envrc; ln -sf evil .envrc',
}

test('a project stays clean under every attack', { skip }, async (t) => {
  for (const [name, script] of Object.entries(ATTACKS)) {
    await t.test(name, () => {
      using bed = new CageBed()
      bed.makeRepository()
      bed.write('project/.git/hooks/pre-commit', '#!/bin/sh\nexit 0\n', 0o755)
      bed.write('project/.git/hooks/plain', 'echo not executable\n')
      const before = dangerous(bed.project)
      bed.run(script)
      assert.deepEqual(dangerous(bed.project), before)
    })
  }
})

test('repositories of Mercurial and Jujutsu get no commands, and work otherwise', { skip }, () => {
  using bed = new CageBed()
  for (const folder of ['.hg', '.jj/repo']) mkdirSync(join(bed.project, folder), { recursive: true })
  bed.write('project/.jj/repo/config.toml', '[user]\n')
  const script = `
    for f in .hg/hgrc .hg/hgrc-not-shared .hg/sharedpath .jj/repo/config.toml .jj/workspace-config.toml; do
      echo evil >> $f; rm -f $f; echo evil > $f
    done
    mv .hg x; mv .jj y; mv .jj/repo z; echo data > .hg/store && echo data > .jj/repo/op`
  assert.equal(bed.run(script).status, 0)
  assert.deepEqual(readdirSync(join(bed.project, '.hg')), ['store'])
  assert.deepEqual(readdirSync(join(bed.project, '.jj/repo')).toSorted(), ['config.toml', 'op'])
  assert.equal(readFileSync(join(bed.project, '.jj/repo/config.toml'), 'utf8'), '[user]\n')
})

test('settings that exist can be read and not be changed', { skip }, () => {
  using bed = new CageBed()
  bed.makeRepository()
  for (const path of [
    '.claude/settings.json',
    '.vscode/tasks.json',
    '.envrc',
    '.husky/pre-commit',
    '.npmrc',
    '.pre-commit-config.yaml',
    'lefthook.yml',
    '.overcommit.yml',
    '.vimrc',
  ]) {
    bed.write(`project/${path}`, 'original')
    const { stdout } = bed.run(`cat ${path}; echo evil > ${path}; rm -rf ${path}; echo evil > ${path}`)
    assert.equal(stdout, 'original', path)
    assert.equal(readFileSync(join(bed.project, path), 'utf8'), 'original', path)
  }
})

test('git works inside: commit, branch, merge, stash, rebase, gc', { skip }, () => {
  using bed = new CageBed()
  bed.makeRepository()
  const { status, stderr } = bed.run(`set -e
    git switch -q -c topic; echo more >> readme; git commit -qam second; git switch -q main
    echo other > file; git add file; git commit -qm third; git merge -q -m merged topic
    echo dirty >> readme; git stash -q; git stash pop -q; git checkout -q readme
    git tag v1; git rebase -q HEAD~1; git gc -q; git fsck; git worktree list`)
  assert.equal(status, 0, stderr)
  assert.match(bed.git('log', '--format=%an <%ae> %s'), /^A Person <person@example\.org> .*\n/)
  assert.match(bed.git('log', '--format=%s'), /third/)
})

test(
  'nested repositories, submodules and hidden bare repositories are protected with all folders above them',
  { skip },
  () => {
    using bed = new CageBed()
    bed.makeRepository()
    bed.git('init', '-q', 'deep/er/nested')
    bed.git('-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', bed.project, 'sub/module')
    bed.git('init', '-q', '--bare', 'cache/bare')
    const folders = ['deep/er/nested/.git', '.git/modules/sub/module', 'cache/bare']
    const before = dangerous(bed.project, folders)
    const rename = folders.flatMap((folder) =>
      folder.split('/').map((_, index, all) => all.slice(0, index + 1).join('/')),
    )
    bed.run(`${rename.map((path) => `mv ${path} ${path}.old && mkdir -p ${path}`).join('; ')}
    for d in ${folders.join(' ')}; do echo "[core] fsmonitor=evil" >> $d/config; echo evil > $d/hooks/post-checkout; echo /evil > $d/commondir; done
    echo "gitdir: /evil" > sub/module/.git; rm -f sub/module/.git; mv sub x`)
    assert.deepEqual(dangerous(bed.project, folders), before)
    assert.equal(readFileSync(join(bed.project, 'sub/module/.git'), 'utf8'), 'gitdir: ../../.git/modules/sub/module\n')
  },
)

test('hooks outside .git are protected: core.hooksPath, links to scripts, included configuration', { skip }, () => {
  using bed = new CageBed()
  bed.makeRepository()
  for (const path of ['tools/hooks/pre-push', 'scripts/check.sh', 'shared.gitconfig'])
    bed.write(`project/${path}`, 'original')
  bed.git('config', 'core.hooksPath', 'tools/hooks')
  bed.git('config', 'include.path', '../shared.gitconfig')
  symlinkSync('../../scripts/check.sh', join(bed.project, '.git/hooks/pre-commit'))
  for (const path of ['tools/hooks/pre-push', 'scripts/check.sh', 'shared.gitconfig']) {
    bed.run(
      `echo evil > ${path}; rm -f ${path}; mv tools t; mv scripts s; mkdir -p tools/hooks scripts; echo evil > ${path}`,
    )
    assert.equal(readFileSync(join(bed.project, path), 'utf8'), 'original', path)
  }
  bed.git('config', 'core.hooksPath', '.generated/hooks')
  bed.run('mkdir -p .generated/hooks && echo evil > .generated/hooks/pre-push')
  assert.ok(!existsSync(join(bed.project, '.generated')))
})

test('a linked work tree works, and its repository is protected', { skip }, () => {
  using bed = new CageBed()
  bed.makeRepository()
  const tree = join(bed.home, 'tree')
  bed.git('worktree', 'add', '-q', tree, '-b', 'topic')
  const before = dangerous(bed.project)
  const { status, stderr } = bed.run('echo more >> readme && git commit -qam in-tree', {
    project: tree,
    workingDirectory: tree,
  })
  assert.equal(status, 0, stderr)
  assert.match(bed.git('log', 'topic', '--format=%s'), /in-tree/)
  const git = `${bed.project}/.git`
  bed.run(
    `echo evil > ${git}/hooks/post-checkout; git config core.fsmonitor evil; echo /evil > ${git}/commondir; mv ${git} ${git}2
    echo /evil > ${git}/worktrees/tree/commondir; mv ${git}/worktrees ${git}/w; mv ${git}/worktrees/tree ${git}/x; echo "gitdir: /evil" > .git; rm -f .git`,
    { project: tree },
  )
  assert.deepEqual(dangerous(bed.project), before)
  assert.equal(readFileSync(join(git, 'worktrees/tree/commondir'), 'utf8'), '../..\n')
  assert.equal(readFileSync(join(tree, '.git'), 'utf8'), `gitdir: ${git}/worktrees/tree\n`)
})

test('a forged pointer shows no other repository', { skip }, () => {
  using bed = new CageBed()
  bed.makeRepository()
  bed.write('forged/.git', `gitdir: ${bed.project}/.git\n`)
  const forged = join(bed.home, 'forged')
  const { stdout } = bed.run(`ls ${bed.project}/.git; git log`, { project: forged, workingDirectory: forged })
  assert.equal(stdout, '')
  using prepared = bed.prepare(['true'], { project: forged })
  assert.match(prepared.warnings.join(), /git will not work in the cage/)
})

test('links where protection is needed are refused in git folders and named elsewhere', { skip }, () => {
  using bed = new CageBed()
  bed.makeRepository()
  mkdirSync(join(bed.project, 'dotfiles'))
  symlinkSync('dotfiles', join(bed.project, '.claude'))
  using prepared = bed.prepare(['true'])
  assert.match(prepared.warnings.join(), /\.claude is a symbolic link/)
  bed.run('echo evil > dotfiles/settings.json')
  assert.ok(!existsSync(join(bed.project, 'dotfiles/settings.json')))
  spawnSync('rm', ['-rf', join(bed.project, '.git/hooks')])
  symlinkSync('../dotfiles', join(bed.project, '.git/hooks'))
  assert.throws(
    () => bed.prepare(['true']),
    (error) =>
      error instanceof CageError && error.code === 'mount_refused' && /hooks is a symbolic link/.test(error.message),
  )
})

test('sockets in the project are out of reach', { skip }, async () => {
  using bed = new CageBed()
  const { createServer } = await import('node:net')
  await using server = createServer().listen(join(bed.project, 'service.sock'))
  await once(server, 'listening')
  const { stdout } = bed.run('test -S service.sock && echo socket; rm -f service.sock; true')
  assert.equal(stdout, '')
})

/** What of a project runs on the host: content and mode of hooks, configuration, pointers and settings. */
function dangerous(project: string, gitFolders: readonly string[] = ['.git']): readonly string[] {
  const inGit = gitFolders.flatMap((folder) =>
    ['hooks', 'config', 'config.worktree', 'commondir'].map((name) => join(project, folder, name)),
  )
  const tools = [
    '.claude',
    '.cursor',
    '.codex',
    '.gemini',
    '.vscode',
    '.idea',
    '.devcontainer',
    '.envrc',
    '.mcp.json',
    '.opencode',
    '.zed',
    '.windsurf',
    '.continue',
    '.kiro',
    '.roo',
    '.qwen',
    '.amazonq',
  ].map((name) => join(project, name))
  return [...inGit, ...tools].flatMap((path) => describe(path))
}

function describe(path: string): readonly string[] {
  if (!existsSync(path)) return [`${path}: absent`]
  const stats = statSync(path)
  if (stats.isDirectory())
    return readdirSync(path)
      .toSorted()
      .flatMap((name) => describe(join(path, name)))
  chmodSync(path, stats.mode | 0o400)
  return [`${path}: ${stats.mode.toString(8)} ${readFileSync(path, 'utf8')}`]
}
