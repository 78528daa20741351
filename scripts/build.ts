/**
 * Makes `dist/` (or the folder given), what is published: the program with its libraries in a few files, so that installing it brings nothing
 * else and starting it reads little. All lie in one folder, as a module finds the programs it starts beside itself.
 */
import { execFile } from 'node:child_process'
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { build, type Metafile, type Plugin } from 'esbuild'

const ROOT = join(import.meta.dirname, '..')
const OUTPUT = resolve(process.argv[2] ?? join(ROOT, 'dist'))

/** What is started by its path, each a file of its own name. */
const PROGRAMS = [
  'bin/agentcage.ts',
  'src/isolation/process/moat-helper.ts',
  'src/egress/inspect/custom/inspector-worker.ts',
]

/** What others import, with its types. */
const LIBRARY = 'src/inspector.ts'

await rm(OUTPUT, { recursive: true, force: true })
const { metafile } = await build({
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
  plugins: [builtins(), bundleRequired(), withoutTranslations()],
  metafile: true,
  logLevel: 'warning',
})
await declarations()
await chmod(join(OUTPUT, 'agentcage.js'), 0o755)
await writeFile(join(OUTPUT, 'THIRD-PARTY-LICENSES.txt'), await licences(metafile))

/**
 * Node's own modules, asked for by name. Importing one makes Node read all that it exports, and with it load what nobody
 * uses: `node:http` alone brings a second HTTP client, 14 MB and a tenth of the time that a command takes.
 */
function builtins(): Plugin {
  const names = new Set(builtinModules)
  return {
    name: 'builtins',
    setup(bundler) {
      bundler.onResolve({ filter: /^[a-z]/ }, ({ path }) => {
        const name = path.replace(/^node:/, '')
        return names.has(name) ? { path: `node:${name}`, namespace: 'builtin' } : undefined
      })
      bundler.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
        contents: `module.exports = process.getBuiltinModule?.(${JSON.stringify(path)})`,
      }))
    },
  }
}

/** A library that a module loads late, by a `require` of its own making, is bundled too. */
function bundleRequired(): Plugin {
  return {
    name: 'bundle-required',
    setup(bundler) {
      bundler.onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
        const text = await readFile(path, 'utf8')
        return { contents: text.replace('const require = createRequire(import.meta.url)', ''), loader: 'ts' }
      })
    },
  }
}

/** Of zod's messages those in English are used; the other languages would be a third of the program. */
function withoutTranslations(): Plugin {
  return {
    name: 'without-translations',
    setup(bundler) {
      bundler.onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, () => ({
        contents: "export { default as en } from './en.js'",
      }))
    },
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
async function licences({ inputs }: Metafile): Promise<string> {
  const folders = new Set(Object.keys(inputs).flatMap((path) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []))
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
