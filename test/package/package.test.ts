/**
 * What is published runs by itself: the tarball that `npm pack` makes, installed in an empty folder, starts under plain
 * Node without TypeScript, brings no other package, and an older Node is told which one is needed.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { run, type CommandResult } from '../support/command.ts'
import { get } from '../support/proxy-client.ts'
import { missingTools, requireThat } from '../support/requires.ts'
import { makeFolder } from '../support/temporary.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** What packing reads. Other tests run in the checkout meanwhile, so that packing happens in a copy. */
const SOURCES = ['package.json', 'tsconfig.json', 'README.md', 'LICENSE', 'CHANGELOG.md']
const SOURCE_FOLDERS = ['bin', 'src', 'scripts', 'examples']

/** From the cache where it can be; where no registry answers that is known within seconds. */
const INSTALL_OPTIONS = [
  '--prefer-offline',
  '--no-audit',
  '--no-fund',
  '--fetch-retries=1',
  '--fetch-retry-mintimeout=500',
]

describe('the published package', { skip: missingTools('npm') }, () => {
  let folder: string
  let tarball: string
  let files: readonly string[]
  let installed: CommandResult
  let project: string

  before(async () => {
    folder = await makeFolder()
    ;({ tarball, files } = await pack(folder))
    project = join(folder, 'project')
    await mkdir(project)
    // Without it, npm would take a folder above for the project.
    await writeFile(join(project, 'package.json'), '{}')
    installed = await npm(project, 'install', ...INSTALL_OPTIONS, tarball)
  })

  after(() => rm(folder, { recursive: true, force: true }))

  test('holds the built program, the licences of its libraries, examples and what to read, nothing else', () => {
    assert.ok(files.includes('dist/agentcage.js'))
    for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md']) assert.ok(files.includes(name), name)
    const unexpected = files.filter(
      (name) =>
        !/^(dist\/[^/]+\.c?js|dist\/inspector\.d\.ts|dist\/THIRD-PARTY-LICENSES\.txt|examples\/.*|[^/]+\.md|LICENSE|package\.json)$/.test(
          name,
        ),
    )
    assert.deepEqual(unexpected, [])
  })

  test('names no TypeScript file that it would have to load', async () => {
    for (const name of files.filter((file) => file.endsWith('.js'))) {
      const text = await readFile(join(folder, 'source', name), 'utf8')
      assert.doesNotMatch(text, /['"`]\.{1,2}\/[^'"`\n]*\.ts['"`]/, name)
    }
  })

  test('imports no module of Node as a whole, but in the first file, which an older Node must be able to read', async () => {
    const built = files.filter((file) => file.endsWith('.js') && file !== 'dist/agentcage.js')
    for (const name of built) {
      assert.doesNotMatch(await readFile(join(folder, 'source', name), 'utf8'), /^import .*"node:/m, name)
    }
  })

  // One character that is none doubles the memory that the text of a module takes for as long as the program runs.
  test('is ASCII, and reads of the schema library what it uses: no messages in other languages', async () => {
    for (const name of files.filter((file) => /^dist\/.*\.c?js$/.test(file))) {
      const text = await readFile(join(folder, 'source', name), 'utf8')
      assert.doesNotMatch(text, /[^\p{ASCII}]/u, name)
      assert.doesNotMatch(text, /node_modules\/zod\/v4\/locales\/(?!en\.js)/, name)
    }
  })

  test('installs nothing but itself and prints its version', async (t) => {
    if (!requireThat(t, !isUnreachable(installed), 'a package registry')) return
    assert.equal(installed.code, 0, installed.stderr)
    const modules = await readdir(join(project, 'node_modules'))
    assert.deepEqual(
      modules.filter((name) => !name.startsWith('.')),
      ['agentcage'],
    )

    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
    const result = await agentcage(project, '--version')
    assert.deepEqual(result, { code: 0, stdout: `agentcage, version ${version}\n`, stderr: '' })
  })

  test('runs a command that needs its dependencies', async (t) => {
    if (!requireThat(t, !isUnreachable(installed), 'a package registry')) return
    const result = await agentcage(project, 'config', 'schema')
    assert.equal(result.code, 0, result.stderr)
    assert.equal((JSON.parse(result.stdout) as { title: string }).title, 'agentcage configuration')
  })

  test('an inspector is typed from it, and runs in it', async (t) => {
    if (!requireThat(t, !isUnreachable(installed), 'a package registry')) return
    await writeFile(
      join(project, 'mine.ts'),
      `import { defineInspector, type Inspector } from 'agentcage/inspector'
const typed = { name: 'mine', inspectRequest: ({ body }) => ({ kind: 'block', reason: body.text }) } satisfies Inspector
export default defineInspector(typed)
`,
      { mode: 0o600 },
    )
    const compiler = join(root, 'node_modules/.bin/tsc')
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', '']
    const compiled = await run(compiler, ['--ignoreConfig', ...flags, 'mine.ts'], { cwd: project })
    assert.deepEqual([compiled.code, compiled.stdout], [0, ''])
    const config =
      'domains: {list: [api.test]}\ninspectors: [{name: mine, path: mine.ts, config: {}, timeout_ms: 60000}]\n'
    await writeFile(join(project, 'cage.yaml'), config)
    const state = join(folder, 'state')
    const child = spawn(
      join(project, 'node_modules/.bin/agentcage'),
      ['egress', '-c', 'cage.yaml', '--state', state, '--proxy', '127.0.0.1:0'],
      { cwd: project, env: { PATH: withThisNode(), HOME: project }, stdio: ['ignore', 'pipe', 'inherit'] },
    )
    t.after(() => child.kill('SIGKILL'))
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    const { proxy } = JSON.parse(line) as { proxy: string }
    const response = await get('http://api.test/', { proxy, method: 'POST', body: 'looked at' })
    assert.deepEqual(
      [response.status, (JSON.parse(response.body.toString()) as { reason: string }).reason],
      [403, 'looked at'],
    )
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
  })

  test('an older Node is told what is needed, in one line', async (t) => {
    const older = await olderNode()
    if (older === undefined) return t.skip('no Node before 24 on this machine')
    const { code, stdout, stderr } = await run(older.path, [
      join(folder, 'source/dist/agentcage.js'),
      'run',
      '--',
      'true',
    ])
    assert.deepEqual(
      { code, stdout, stderr },
      { code: 1, stdout: '', stderr: `agentcage needs Node 24 or newer; this is ${older.version}\n` },
    )
  })
})

async function pack(folder: string): Promise<{ tarball: string; files: readonly string[] }> {
  const source = join(folder, 'source')
  await mkdir(source)
  for (const name of [...SOURCES, ...SOURCE_FOLDERS])
    await cp(join(root, name), join(source, name), { recursive: true })
  await symlink(join(root, 'node_modules'), join(source, 'node_modules'))
  const { code, stdout, stderr } = await npm(source, 'pack', '--json', '--pack-destination', folder)
  assert.equal(code, 0, `${stderr}${stdout}`)
  // What `prepack` prints may come first.
  const [packed] = JSON.parse(stdout.slice(stdout.search(/^\[/m))) as [{ filename: string; files: { path: string }[] }]
  return { tarball: join(folder, packed.filename), files: packed.files.map(({ path }) => path) }
}

/** npm as a person calls it: what the npm script that runs the tests has set does not leak in, its registry does. */
function npm(cwd: string, ...args: readonly string[]): Promise<CommandResult> {
  const leak = /^(npm_(?!config_)|npm_config_(local_prefix|ignore_scripts|omit)$|NODE_TEST_|INIT_CWD$)/
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !leak.test(name)))
  return run('npm', args, { cwd, env: { ...env, PATH: withThisNode() } })
}

function agentcage(project: string, ...args: readonly string[]): Promise<CommandResult> {
  const env = { PATH: withThisNode(), HOME: project }
  return run(join(project, 'node_modules/.bin/agentcage'), args, { cwd: project, env })
}

function withThisNode(): string {
  return `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`
}

function isUnreachable({ code, stderr }: CommandResult): boolean {
  return (
    code !== 0 &&
    /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED|SELF_SIGNED_CERT_IN_CHAIN)\b/.test(
      stderr,
    )
  )
}

/** A Node before 24 where systems keep theirs. */
async function olderNode(): Promise<{ path: string; version: string } | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder.startsWith('/'))
  for (const path of new Set(folders.map((name) => join(name, 'node')))) {
    const { code, stdout } = await run(path, ['--version']).catch(() => ({ code: 1, stdout: '' }))
    const version = stdout.trim()
    if (code === 0 && Number.parseInt(version.slice(1), 10) < 24) return { path, version }
  }
  return undefined
}
