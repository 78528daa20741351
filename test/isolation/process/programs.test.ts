import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { CageBed, withoutBubblewrap } from './cage-bed.ts'

/*
 * Programs that lie in the hidden home run in the cage, with what they need to start and little else of the home.
 */

const skip = withoutBubblewrap
const SYSTEM_PATH = '/usr/bin:/bin'

test('a program linked from ~/.local/bin runs; its neighbours elsewhere in ~/.local stay hidden', { skip }, () => {
  using bed = new CageBed()
  bed.write('.local/share/tool/versions/1.2/tool', '#!/bin/sh\necho "tool $1"; ls "$HOME/.local/share"', 0o755)
  bed.write('.local/share/private/letter', 'private')
  mkdirSync(join(bed.home, '.local/bin'))
  symlinkSync('../share/tool/versions/1.2/tool', join(bed.home, '.local/bin/tool'))
  const { stdout, stderr } = bed.runCommand(['tool', 'runs'], path(bed, '.local/bin'))
  assert.equal(stdout, 'tool runs\ntool\n', stderr)
})

test('a program of an installation finds its libraries, read-only', { skip }, () => {
  using bed = new CageBed()
  bed.write(
    'node-v9/bin/npx',
    '#!/bin/sh\ncat "$(dirname "$0")/../lib/text"; echo evil > "$(dirname "$0")/evil"',
    0o755,
  )
  bed.write('node-v9/lib/text', 'library\n')
  const { stdout, stderr } = bed.runCommand(['npx'], path(bed, 'node-v9/bin'))
  assert.equal(stdout, 'library\n')
  assert.match(stderr, /Read-only/)
})

test('tool managers are shown whole: their programs are launchers', { skip }, () => {
  using bed = new CageBed()
  bed.write('.pyenv/shims/python9', '#!/bin/sh\nexec "$HOME/.pyenv/versions/9/bin/python9"', 0o755)
  bed.write('.pyenv/versions/9/bin/python9', '#!/bin/sh\necho nine', 0o755)
  assert.equal(bed.runCommand(['python9'], path(bed, '.pyenv/shims')).stdout, 'nine\n')
})

test('interpreters named by #! and by env are shown too', { skip }, () => {
  using bed = new CageBed()
  bed.write('runtimes/deep/interpret', '#!/bin/sh\necho "interpreted $(basename "$1")"', 0o755)
  bed.write('opt/bin/interpret2', '#!/bin/sh\necho "looked up $(basename "$1")"', 0o755)
  bed.write('bin/one', `#!${bed.home}/runtimes/deep/interpret\n`, 0o755)
  bed.write('bin/two', '#!/usr/bin/env -S interpret2\n', 0o755)
  assert.equal(bed.runCommand(['one'], path(bed, 'bin')).stdout, 'interpreted one\n')
  assert.equal(bed.runCommand(['two'], path(bed, 'bin', 'opt/bin')).stdout, 'looked up two\n')
})

test('a package of node_modules is shown with its neighbours', { skip }, () => {
  using bed = new CageBed()
  bed.write(
    '.npm-global/lib/node_modules/cli/cli.sh',
    '#!/bin/sh\ncat "$HOME/.npm-global/lib/node_modules/dependency/text"',
    0o755,
  )
  bed.write('.npm-global/lib/node_modules/dependency/text', 'dependency\n')
  mkdirSync(join(bed.home, '.npm-global/bin'))
  symlinkSync('../lib/node_modules/cli/cli.sh', join(bed.home, '.npm-global/bin/cli'))
  assert.equal(bed.runCommand(['cli'], path(bed, '.npm-global/bin')).stdout, 'dependency\n')
})

test('only the bin folder is shown where logins lie beside it, and of ~/bin and ~/.cargo', { skip }, () => {
  using bed = new CageBed()
  for (const folder of ['.fly', '.cargo', '.']) {
    bed.write(join(folder, 'bin/program'), '#!/bin/sh\nls -A "$1"', 0o755)
    bed.write(join(folder, 'lib/x'), '')
    bed.write(join(folder, 'config.yml'), 'token')
  }
  assert.equal(bed.runCommand(['program', `${bed.home}/.fly`], path(bed, '.fly/bin')).stdout, '')
  assert.equal(bed.runCommand(['program', `${bed.home}/.cargo`], path(bed, '.cargo/bin')).stdout, 'bin\n')
  assert.equal(bed.runCommand(['program', bed.home], path(bed, 'bin')).stdout, 'bin\nproject\n')
})

test('PATH keeps what exists inside, in order, and drops the rest', { skip }, () => {
  using bed = new CageBed()
  bed.write('bin/x', '', 0o755)
  bed.write('.ssh/bin/x', '', 0o755)
  symlinkSync(join(bed.home, '.ssh/bin'), join(bed.home, 'sly'))
  const entries = [
    join(bed.home, 'bin'),
    '/usr/bin',
    '',
    'relative',
    '/absent',
    join(bed.home, '.ssh/bin'),
    join(bed.home, 'sly'),
    bed.home,
    '/bin',
    '/usr/bin',
  ]
  const { stdout } = bed.run('echo "$PATH"', { environment: { PATH: entries.join(':') } })
  assert.equal(stdout, `${join(bed.home, 'bin')}:/usr/bin:/bin\n`)
})

test('the Node that runs agentcage serves where PATH has none', { skip }, () => {
  using bed = new CageBed()
  bed.write('empty/x', '')
  const { stdout, stderr } = bed.runCommand(['node', '-p', '6 * 7'], { environment: { PATH: join(bed.home, 'empty') } })
  assert.equal(stdout, '42\n', stderr)
})

test('a command of the project runs, and a relative name goes by where the workload starts', { skip }, () => {
  using bed = new CageBed()
  bed.write('project/tools/run', '#!/bin/sh\necho here', 0o755)
  assert.equal(bed.runCommand(['./tools/run']).stdout, 'here\n')
  assert.equal(bed.runCommand(['./run'], { workingDirectory: join(bed.project, 'tools') }).stdout, 'here\n')
})

test('a command is shown alone when its folder is not one of programs', { skip }, () => {
  using bed = new CageBed()
  const program = bed.write('Downloads/program', '#!/bin/sh\nls -A "$(dirname "$0")"', 0o755)
  bed.write('Downloads/letter', 'private')
  assert.equal(bed.runCommand([program]).stdout, 'program\n')
  assert.equal(dirname(program), join(bed.home, 'Downloads'))
})

function path(bed: CageBed, ...folders: readonly string[]): { readonly environment: Readonly<Record<string, string>> } {
  return { environment: { PATH: [...folders.map((folder) => join(bed.home, folder)), SYSTEM_PATH].join(':') } }
}
