import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Our own program as it lies on this host: in a checkout its source, when installed what was built of it. */
export interface OwnProgram {
  /** Absolute. */
  readonly root: string
  /** Files that it needs to run, relative to the root, sorted. */
  readonly files: readonly string[]
  /** The one to start. */
  readonly entry: string
}

/** Finds the program that this module is a part of. Rejects when a package that it needs is not installed. */
export async function findOwnProgram(from: string = fileURLToPath(import.meta.url)): Promise<OwnProgram> {
  const root = await packageRoot(dirname(from))
  if (!from.endsWith('.ts')) {
    const built = await filesBelow(root, 'dist')
    return { root, files: ['package.json', ...built].toSorted(), entry: 'dist/agentcage.js' }
  }
  const own = (await Promise.all(['bin', 'src'].map((folder) => filesBelow(root, folder)))).flat()
  const packages = await packagesOf(root, own)
  const theirs = await Promise.all(packages.map((folder) => filesBelow(root, folder)))
  return { root, files: ['package.json', ...own, ...theirs.flat()].toSorted(), entry: 'bin/agentcage.ts' }
}

async function packageRoot(folder: string): Promise<string> {
  for (let at = folder; ; at = dirname(at)) {
    if ((await readManifest(at))?.name === 'agentcage') return at
    if (at === dirname(at)) throw new Error(`no package around ${folder}`)
  }
}

/** The packages that the source names, and those that they need, as folders below the root. */
async function packagesOf(root: string, source: readonly string[]): Promise<readonly string[]> {
  const found = new Set<string>()
  const open = (await namedPackages(root, source)).map((name) => ({ name, from: root }))
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const place = await packageFolder(next.name, next.from)
    if (!place.startsWith(`${root}/`)) throw new Error(`${next.name} is installed outside of ${root}`)
    if (found.has(place)) continue
    found.add(place)
    const needed = Object.keys((await readManifest(place))?.dependencies ?? {})
    open.push(...needed.map((name) => ({ name, from: place })))
  }
  return [...found].map((folder) => relative(root, folder))
}

/** What is published is bundled, so the manifest has all packages of ours among those for development. */
async function namedPackages(root: string, source: readonly string[]): Promise<readonly string[]> {
  const manifest = await readManifest(root)
  const known = Object.keys({ ...manifest?.dependencies, ...manifest?.devDependencies })
  const texts = await Promise.all(source.map((path) => readFile(join(root, path), 'utf8')))
  const imported = new Set(texts.flatMap((text) => [...text.matchAll(IMPORT)].map((match) => match[1])))
  return known.filter((name) => imported.has(name))
}

/** The package of an import; formatted source writes it one way. */
const IMPORT = /(?:\bfrom |\bimport\(|\brequire\()'((?:@[a-z0-9-]+\/)?[a-z0-9-]+)['/]/g

/** As Node resolves it: the nearest `node_modules` that has it. */
async function packageFolder(name: string, from: string): Promise<string> {
  for (let at = from; ; at = dirname(at)) {
    const folder = join(at, 'node_modules', name)
    if ((await readManifest(folder)) !== undefined) return folder
    if (at === dirname(at)) throw new Error(`the package ${name} is not installed`)
  }
}

interface Manifest {
  readonly name?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

async function readManifest(folder: string): Promise<Manifest | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest
  } catch {
    return undefined
  }
}

/** Maps and types are for people; a package's own nested packages are listed by who needs them. */
const LEFT_OUT = /\.(?:map|md|markdown|flow|d\.[cm]?ts)$|(?:^|\/)node_modules\/.*\/(?:node_modules|test|tests)\//

async function filesBelow(root: string, folder: string): Promise<readonly string[]> {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !LEFT_OUT.test(path) && !(folder.startsWith('node_modules/') && path.endsWith('.ts')))
}
