/** The program as a process: it ends with its reader, names a full disk, and keeps its compiled code where nobody else writes. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { run } from '../support/command.ts'
import { requireThat } from '../support/requires.ts'
import { withFolder } from '../support/temporary.ts'
import { COMPILED, PROGRAM } from '../support/program.ts'

const QUIET = { ...process.env, ...COMPILED }

test('exit codes reach the shell', async (t) => {
  const file = join(await withFolder(t), 'cage.yaml')
  await writeFile(file, 'nmae: a\n')
  const codes = []
  for (const argv of [['--version'], ['frobnicate'], ['config', 'check', file]]) {
    codes.push((await run(process.execPath, [PROGRAM, ...argv], { env: QUIET })).code)
  }
  assert.deepEqual(codes, [0, 2, 2])
})

test('a reader that goes away ends it without a word', async () => {
  const child = spawn(process.execPath, [PROGRAM, 'config', 'schema'], {
    env: QUIET,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stdout.destroy()
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
})

test('messages that nobody reads change nothing', async () => {
  const child = spawn(process.execPath, [PROGRAM, 'frobnicate'], { env: QUIET, stdio: ['ignore', 'ignore', 'pipe'] })
  child.stderr.destroy()
  const [code] = (await once(child, 'close')) as [number | null]
  assert.equal(code, 2)
})

test('output that cannot be written is an error', async (t) => {
  if (!requireThat(t, existsSync('/dev/full'), '/dev/full')) return
  const { code, stderr } = await run(
    'sh',
    ['-c', 'exec "$0" "$1" config schema > /dev/full', process.execPath, PROGRAM],
    {
      env: QUIET,
    },
  )
  assert.equal(code, 1)
  assert.equal(stderr, 'error: standard output cannot be written: no space left on the device (ENOSPC)\n')
})

test('compiled code is kept below the home folder', async (t) => {
  const folder = await withFolder(t)
  const env = {
    ...process.env,
    HOME: folder,
    XDG_CACHE_HOME: undefined,
    NODE_COMPILE_CACHE: undefined,
    NODE_DISABLE_COMPILE_CACHE: undefined,
    TMPDIR: folder,
  }
  const { code } = await run(process.execPath, [PROGRAM, '--version'], { env })
  assert.equal(code, 0)
  assert.deepEqual(await readdir(folder), ['.cache'])
  assert.deepEqual(await readdir(join(folder, '.cache/agentcage')), ['compile'])
})

test('a workload cannot plant compiled code by way of a volume', async (t) => {
  const folder = await withFolder(t)
  for (const name of ['.cache', 'project']) await mkdir(join(folder, name))
  await writeFile(join(folder, 'project/cage.yaml'), 'name: a\ncontainer:\n  volumes: ["~/.cache:/cache:rw"]\n')
  const { code, stderr } = await run(process.execPath, [PROGRAM, 'run', '-c', 'cage.yaml', '--', 'true'], {
    cwd: join(folder, 'project'),
    env: { ...QUIET, HOME: folder, XDG_CACHE_HOME: undefined },
  })
  assert.equal(code, 2)
  assert.match(stderr, /^error: volume host path '.*\/\.cache' would show agentcage's own folder/)
})

test('others cannot plant compiled code, whatever the umask', async (t) => {
  const folder = await withFolder(t)
  const unset = { NODE_COMPILE_CACHE: undefined, NODE_DISABLE_COMPILE_CACHE: undefined }
  const start = (cacheHome: string): Promise<unknown> =>
    run('sh', ['-c', 'umask 000; exec "$0" "$1" --version', process.execPath, PROGRAM], {
      env: { ...process.env, ...unset, HOME: folder, XDG_CACHE_HOME: join(folder, cacheHome) },
    })
  await start('fresh')
  for (const path of ['fresh/agentcage', 'fresh/agentcage/compile']) {
    assert.equal((await stat(join(folder, path))).mode & 0o777, 0o700, path)
  }
  assert.notDeepEqual(await readdir(join(folder, 'fresh/agentcage/compile')), [])

  await mkdir(join(folder, 'open/agentcage/compile'), { recursive: true, mode: 0o700 })
  await chmod(join(folder, 'open/agentcage/compile'), 0o777)
  await start('open')
  assert.deepEqual(await readdir(join(folder, 'open/agentcage/compile')), [])
})

test('a home in a folder that takes no others does not hold it up', { timeout: 60_000 }, async () => {
  const env = { ...process.env, HOME: '/proc/none', XDG_CACHE_HOME: undefined, NODE_COMPILE_CACHE: undefined }
  assert.equal((await run(process.execPath, [PROGRAM, '--version'], { env })).code, 0)
})

const notRoot = process.geteuid?.() !== 0 && 'root alone can be a user that is not there'

test('a user of whom no home is known can ask, and is told what to set', { skip: notRoot }, async () => {
  const env = { PATH: process.env['PATH'] }
  // The checkout may lie where only root may look.
  const nobody = [
    '--reuid=54321',
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
    process.execPath,
    PROGRAM,
  ]
  const ask = (...args: readonly string[]) => run('setpriv', [...nobody, ...args], { env })
  assert.match((await ask('--version')).stdout, /^agentcage, version /)
  const { code, stderr } = await ask('audit')
  assert.equal(code, 1)
  assert.equal(stderr, "error: user 54321 has no home folder\n  Set HOME to a folder of this user's.\n")
})
