import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { bubblewrapArguments, CageBed, withoutBubblewrap, withoutGit } from './cage-bed.ts'

/*
 * A writable folder can hold new git repositories, and git runs what their configuration says. That cannot be
 * prevented by mounts, so what a workload left is looked for when it has ended: with a reason for each find, and
 * silent about repositories that run nothing and about what was there before. Nothing of what the workload wrote is run
 * to find it, and what could not be looked into is named.
 */

const skip = withoutBubblewrap || withoutGit

const UNREAD = /cannot be read for certain/
const READ_BY_TOOLS = /is read by editors, agents or shells/

const FINDS: Readonly<Record<string, readonly [script: string, path: string, reason: RegExp]>> = {
  'a nested repository that the outer index names': [
    'git init -q sub; cd sub; git commit -q --allow-empty -m x; git config core.fsmonitor "touch PWNED; false"; cd ..; git add sub 2>/dev/null',
    'sub/.git/config',
    /makes git run core\.fsmonitor=touch PWNED; false/,
  ],
  'one that hides where nobody looks for repositories': [
    'git init -q node_modules/a/b/c/d/e/f; cd node_modules/a/b/c/d/e/f; git commit -q --allow-empty -m x; git config core.fsmonitor evil; cd - > /dev/null; git add -f node_modules/a/b/c/d/e/f 2>/dev/null',
    'node_modules/a/b/c/d/e/f/.git/config',
    /core\.fsmonitor=evil/,
  ],
  'one directly in a folder that is skipped': [
    'git init -q target; git -C target config core.fsmonitor evil',
    'target/.git/config',
    /core\.fsmonitor=evil/,
  ],
  'one in a package': [
    'git init -q node_modules/a; git -C node_modules/a config core.fsmonitor evil',
    'node_modules/a/.git/config',
    /core\.fsmonitor=evil/,
  ],
  'a setting after another section on one line': [
    'git init -q sub; echo "[a] [core] fsmonitor = evil" >> sub/.git/config',
    'sub/.git/config',
    /core\.fsmonitor=evil/,
  ],
  'a setting after a comment that seems to go on': [
    'git init -q sub; printf "# \\\\\\n[core]\\nfsmonitor=evil\\n" >> sub/.git/config',
    'sub/.git/config',
    /core\.fsmonitor=evil/,
  ],
  'an included file that is named like a switch': [
    'git init -q sub; git -C sub config include.path 1; git config -f sub/.git/1 core.fsmonitor evil',
    'sub/.git/config',
    /include\.path=1/,
  ],
  'a folder of hooks that is named like a switch': [
    'git init -q sub; git -C sub config core.hooksPath on; mkdir sub/on; echo evil > sub/on/post-checkout',
    'sub/.git/config',
    /core\.hookspath=on/,
  ],
  'a command for keys of signatures': [
    'git init -q sub; git -C sub config gpg.ssh.defaultKeyCommand evil',
    'sub/.git/config',
    /gpg\.ssh\.defaultkeycommand=evil/,
  ],
  'a command for collecting garbage': [
    'git init -q sub; git -C sub config gc.recentObjectsHook evil',
    'sub/.git/config',
    /gc\.recentobjectshook=evil/,
  ],
  'what serves a repository to a browser': [
    'git init -q sub; git -C sub config instaweb.httpd evil',
    'sub/.git/config',
    /instaweb\.httpd=evil/,
  ],
  'a hook in a new repository': [
    'git init -q sub; echo evil > sub/.git/hooks/post-checkout; chmod +x sub/.git/hooks/post-checkout',
    'sub/.git/hooks/post-checkout',
    /is a hook/,
  ],
  'a link as a hook': [
    'git init -q sub; ln -s /usr/bin/id sub/.git/hooks/post-checkout',
    'sub/.git/hooks/post-checkout',
    /is a hook/,
  ],
  'a bare repository in disguise': [
    'mkdir -p docs/objects docs/refs; echo "ref: refs/heads/x" > docs/HEAD; printf "[core]\\nfsmonitor=evil\\n" > docs/config',
    'docs/config',
    /fsmonitor=evil/,
  ],
  'a git folder elsewhere': [
    'mkdir -p x/y; git init -q z; git -C z config alias.st "!evil"; mv z/.git x/g; echo "gitdir: ../g" > x/y/.git',
    'x/g/config',
    /alias\.st/,
  ],
  'a link to a git folder': ['mkdir y; git init -q z; mv z/.git g; ln -s ../g y/.git', 'y/.git', /leads git elsewhere/],
  'a common folder elsewhere': [
    'git init -q sub; echo ../../evil > sub/.git/commondir',
    'sub/.git/commondir',
    /leads git elsewhere/,
  ],
  'a rebase that would run something': [
    'mkdir .git/rebase-merge; echo "exec evil" > .git/rebase-merge/git-rebase-todo',
    '.git/rebase-merge/git-rebase-todo',
    /rebase --continue/,
  ],
  'settings of a work tree': [
    'git init -q sub; git -C sub config extensions.worktreeConfig true; git -C sub config --worktree core.sshCommand evil',
    'sub/.git/config.worktree',
    /sshcommand=evil/,
  ],
  'an index that git alone understands': [
    'echo x > x; git add x; git update-index --split-index',
    '.git/index',
    UNREAD,
  ],
  'an index that is none': ['git init -q sub; echo DIRC > sub/.git/index', 'sub/.git/index', UNREAD],
  'an index behind a link': ['mv .git/index i; ln -s ../i .git/index', '.git/index', UNREAD],
  'an index that never ends': ['git init -q sub; mkfifo sub/.git/index', 'sub/.git/index', UNREAD],
  'a sparse folder that is there': [
    'git init -q sub; cd sub; mkdir -p a d/e; echo 1 > a/f; echo 2 > d/e/g; git add .; git commit -qm x; git sparse-checkout set --cone --sparse-index a; mkdir d',
    'sub/.git/index',
    UNREAD,
  ],
  'a configuration behind a link': [
    'git init -q sub; mv sub/.git/config evil; git config -f evil core.fsmonitor evil; ln -s ../../evil sub/.git/config',
    'sub/.git/config',
    /is read by git/,
  ],
  'a configuration too large to look at': [
    'git init -q sub; git -C sub config core.fsmonitor evil; head -c 2000000 /dev/zero | tr "\\0" "\\n" >> sub/.git/config',
    'sub/.git/config',
    /is read by git/,
  ],
  'a pointer that ends as in Windows': [
    'mkdir -p x/y; git init -q z; git -C z config alias.st "!evil"; mv z/.git x/g; printf "gitdir: ../g\\r\\n" > x/y/.git; rm x/g/HEAD; echo "ref: refs/heads/x" > x/g/HEAD',
    'x/g/config',
    /alias\.st/,
  ],
  'settings of an editor in a folder': [
    'mkdir -p sub/.vscode; echo {} > sub/.vscode/tasks.json',
    'sub/.vscode',
    READ_BY_TOOLS,
  ],
  'settings of an agent in a folder': ['mkdir -p a/b/.claude; echo {} > a/b/.claude/x', 'a/b/.claude', READ_BY_TOOLS],
  'a workspace': ['echo {} > evil.code-workspace', 'evil.code-workspace', READ_BY_TOOLS],
  'settings of an agent that have to be a file': ['echo {} > opencode.json', 'opencode.json', READ_BY_TOOLS],
  'settings of a rarer agent': [
    'mkdir -p sub/.kilocode; echo {} > sub/.kilocode/mcp.json',
    'sub/.kilocode',
    READ_BY_TOOLS,
  ],
  'a start file of an interpreter': ['mkdir sub; echo evil > sub/.Rprofile', 'sub/.Rprofile', READ_BY_TOOLS],
  'hooks of Mercurial': ['mkdir -p sub/.hg; echo "[hooks]" > sub/.hg/hgrc', 'sub/.hg/hgrc', READ_BY_TOOLS],
  'settings of Jujutsu': [
    'mkdir -p sub/.jj/repo; echo "[ui]" > sub/.jj/repo/config.toml',
    'sub/.jj/repo/config.toml',
    READ_BY_TOOLS,
  ],
  'settings of lazygit': ['echo "git: {}" > .git/lazygit.yml', '.git/lazygit.yml', READ_BY_TOOLS],
  'a link as settings': ['mkdir sub; ln -s ../x sub/.vscode', 'sub/.vscode', READ_BY_TOOLS],
  'more folders than are searched': [
    'mkdir -p a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r',
    '',
    /has folders that were not searched/,
  ],
}

test('what git would run on the host is found', { skip }, async (t) => {
  for (const [name, [script, path, reason]] of Object.entries(FINDS)) {
    await t.test(name, () => {
      using bed = new CageBed()
      bed.makeRepository()
      const found = leftovers(bed, script)
      assert.ok(
        found.some((leftover) => leftover.path === path && reason.test(leftover.reason)),
        JSON.stringify(found),
      )
    })
  }
})

const withRights = process.getuid?.() === 0 && 'root lists every folder'

test(
  'a folder that may be entered but not listed is named, unless it was so before',
  { skip: skip || withRights },
  () => {
    using bed = new CageBed()
    bed.makeRepository()
    bed.write('project/old/file', '')
    chmodSync(join(bed.project, 'old'), 0o311)
    const hidden = 'git init -q sub; git -C sub config core.fsmonitor evil; chmod 311 sub'
    const first = leftovers(bed, hidden)
    chmodSync(join(bed.project, 'sub'), 0o755)
    const second = leftovers(bed, 'rm -rf sub; cd old; git init -q .; git config core.fsmonitor evil')
    chmodSync(join(bed.project, 'old'), 0o755)
    assert.deepEqual(first, [{ path: 'sub', reason: 'may not be listed: look into it before you enter it' }])
    assert.deepEqual(
      second.map(({ path }) => path),
      ['old'],
    )
  },
)

test('repositories that run nothing are no finds, nor is what was there before', { skip }, () => {
  using bed = new CageBed()
  bed.makeRepository()
  bed.write('project/.git/hooks/pre-commit', '#!/bin/sh\n', 0o755)
  bed.git('config', 'alias.st', 'status')
  const script = 'git init -q new; git clone -q . copy; git commit -q --allow-empty -m more; git switch -q -c topic'
  assert.deepEqual(leftovers(bed, script), [])
})

test('text of the workload is shown without control characters', { skip }, () => {
  using bed = new CageBed()
  bed.makeRepository()
  const [found] = leftovers(bed, 'git init -q sub; printf "[core]\\nfsmonitor=a\\033[31mb\\n" > sub/.git/config')
  assert.equal(found?.reason, 'makes git run core.fsmonitor=a\\u001b[31mb')
})

test('so is a path, with marks that turn the direction of text', { skip }, () => {
  using bed = new CageBed()
  bed.makeRepository()
  const script =
    'd=$(printf "a\\033[2K\\r\\nb\\342\\200\\256"); git init -q "$d"; git -C "$d" config core.fsmonitor evil'
  assert.deepEqual(
    leftovers(bed, script).map(({ path }) => path),
    ['a\\u001b[2K\\u000d\\u000ab\\u202e/.git/config'],
  )
})

test('settings that were there and did not change are no finds; changed ones are', { skip }, () => {
  using bed = new CageBed()
  bed.makeRepository()
  bed.write('project/sub/.vscode/tasks.json', '{}')
  bed.write('project/opencode.json', '{}')
  assert.deepEqual(leftovers(bed, 'cat sub/.vscode/tasks.json; mkdir empty empty/.claude'), [])
  assert.deepEqual(
    leftovers(bed, 'echo "[]" > sub/.vscode/tasks.json; touch -d @0 sub/.vscode/tasks.json').map(({ path }) => path),
    ['sub/.vscode'],
  )
})

test('a project that was too large before is named too', { skip }, () => {
  using bed = new CageBed()
  bed.write('project/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/file', '')
  assert.match(leftovers(bed, 'rm -rf a')[0]?.reason ?? '', /has folders that were not searched/)
})

test('the list ends', { skip }, () => {
  using bed = new CageBed()
  const found = leftovers(bed, 'for i in $(seq 120); do echo {} > $i.code-workspace; done')
  assert.equal(found.length, 51)
  assert.equal(found.at(-1)?.reason, 'has 70 more such things')
})

/** Objects that are to be fetched from a remote whose program is the attack: `git ls-files` is enough to run it. */
const PROMISED = `
  export HOME=/tmp GIT_CONFIG_GLOBAL=/dev/null; git init -q .; git config user.email a@b; git config user.name a
  mkdir -p a d/e; echo 1 > a/f; echo 2 > d/e/g; git add a d; git commit -qm x
  git sparse-checkout init --cone --sparse-index; git sparse-checkout set a
  T=$(git rev-parse HEAD:d); rm -f .git/objects/$(echo $T | cut -c1-2)/$(echo $T | cut -c3-)
  git config core.repositoryformatversion 1; git config extensions.partialClone origin
  git config remote.origin.promisor true; git config remote.origin.url "$PWD"
  git config remote.origin.uploadpack "touch $1; :"`

test('looking runs nothing of what the workload wrote', { skip }, () => {
  using bed = new CageBed()
  const marker = join(bed.folder, 'marker')
  const found = leftovers(bed, `set -- ${marker}; ${PROMISED}`)
  assert.ok(found.some(({ path, reason }) => path === '.git/config' && reason.includes('uploadpack')))
  assert.ok(!existsSync(marker))
  bed.run('true')
  assert.ok(!existsSync(marker))
  // What the attack does where git is asked.
  spawnSync('git', ['ls-files', '--stage'], { cwd: bed.project })
  assert.ok(existsSync(marker))
})

function leftovers(bed: CageBed, script: string): readonly { readonly path: string; readonly reason: string }[] {
  using prepared = bed.prepare(['sh', '-c', script])
  const { status, stderr } = spawnSync('bwrap', bubblewrapArguments(prepared.plan), { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return prepared.leftovers().map(({ path, reason }) => ({ path: relative(bed.project, path), reason }))
}
