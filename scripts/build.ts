/**
 * Makes `dist/` (or the folder given), what is published: the program with its libraries in a few files, so that installing it brings nothing
 * else and starting it reads little. All lie in one folder, as a module finds the programs it starts beside itself.
 */
import { execFile } from 'node:child_process'
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { build, type Metafile } from 'esbuild'
import { asciiComments, builtins, commandGroups, requiredBeside, withBuiltinsByName } from './bundle-plugins.ts'

const ROOT = join(import.meta.dirname, '..')
const OUTPUT = resolve(process.argv[2] ?? join(ROOT, 'dist'))

/** What is started by its path, each a file of its own name. */
const PROGRAMS = [
  'bin/agentcage.ts',
  'src/isolation/process/moat-helper.ts',
  'src/egress/inspect/custom/inspector-worker.ts',
]

const COMMANDS = join(ROOT, 'src/cli/commands')

/** What people wait for most, and what serves for long and is to hold little; all others are one module. */
const APART = [['run.ts'], ['egress.ts'], ['cage-supervise.ts'], ['domain.ts']]

/** What others import, with its types. */
const LIBRARY = 'src/inspector.ts'

/** What is loaded when it is needed, and then at once: CommonJS. */
const REQUIRED = ['re2js']

await rm(OUTPUT, { recursive: true, force: true })
const program = await build({
  absWorkingDir: ROOT,
  entryPoints: [...PROGRAMS, LIBRARY],
  outdir: OUTPUT,
  entryNames: '[name]',
  chunkNames: 'chunk-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  plugins: [builtins(), commandGroups(COMMANDS, await groups()), requiredBeside(REQUIRED)],
  metafile: true,
  logLevel: 'warning',
})
const required = await build({
  absWorkingDir: ROOT,
  entryPoints: REQUIRED,
  outdir: OUTPUT,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node24',
  metafile: true,
  logLevel: 'warning',
})
await finishText()
await declarations()
await chmod(join(OUTPUT, 'agentcage.js'), 0o755)
await writeFile(join(OUTPUT, 'THIRD-PARTY-LICENSES.txt'), await licences([program.metafile, required.metafile]))

async function groups(): Promise<readonly (readonly string[])[]> {
  const others = (await readdir(COMMANDS)).filter((name) => !APART.flat().includes(name))
  return [...APART, others.toSorted()]
}

/** Node's own modules are asked for by name but in the first file, which an older Node must be able to read. */
async function finishText(): Promise<void> {
  for (const name of await readdir(OUTPUT)) {
    const text = asciiComments(await readFile(join(OUTPUT, name), 'utf8'))
    await writeFile(join(OUTPUT, name), name === 'agentcage.js' ? text : withBuiltinsByName(text))
  }
}

/** The library's types, by the compiler; it imports nothing, so that they are one file. */
async function declarations(): Promise<void> {
  const flags = [
    '--ignoreConfig',
    '--declaration',
    '--emitDeclarationOnly',
    '--module',
    'nodenext',
    '--target',
    'es2024',
  ]
  const compiler = join(ROOT, 'node_modules/.bin/tsc')
  await promisify(execFile)(compiler, [...flags, '--strict', '--outDir', OUTPUT, join(ROOT, LIBRARY)])
}

/** Each library's licence asks that its text comes along. */
async function licences(bundles: readonly Metafile[]): Promise<string> {
  const inputs = bundles.flatMap((bundle) => Object.keys(bundle.inputs))
  const folders = new Set(inputs.flatMap((path) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []))
  const texts = await Promise.all([...folders].toSorted().map(licence))
  return `Libraries in this folder, and their licences.\n\n${texts.join('\n')}`
}

async function licence(folder: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(ROOT, folder, 'package.json'), 'utf8')) as Manifest
  const name = (await readdir(join(ROOT, folder))).find((entry) => /^licen[cs]e/i.test(entry))
  const text = name === undefined ? undefined : await readFile(join(ROOT, folder, name), 'utf8')
  return [
    `--- ${manifest.name} ${manifest.version} (${manifest.license})`,
    '',
    text?.trim() ?? `https://spdx.org/licenses/${manifest.license}.html`,
    '',
  ].join('\n')
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license: string
}
