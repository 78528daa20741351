import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { relative } from 'node:path'
import { test } from 'node:test'
import { bubblewrapArguments, CageBed, withoutBubblewrap, withoutGit } from './cage-bed.ts'

/*
 * A writable folder can hold new git repositories, and git runs what their configuration says. That cannot be
 * prevented by mounts, so what a workload left is looked for when it has ended: with a reason for each find, and
 * silent about repositories that run nothing and about what was there before.
 */

const skip = withoutBubblewrap || withoutGit

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
  assert.equal(found?.reason, 'makes git run core.fsmonitor=a?[31mb')
})

function leftovers(bed: CageBed, script: string): readonly { readonly path: string; readonly reason: string }[] {
  using prepared = bed.prepare(['sh', '-c', script])
  const { status, stderr } = spawnSync('bwrap', bubblewrapArguments(prepared.plan), { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return prepared.leftovers().map(({ path, reason }) => ({ path: relative(bed.project, path), reason }))
}
