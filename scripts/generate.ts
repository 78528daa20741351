/**
 * Writes what is made from tables in the source, reference pages for the most part: `node scripts/generate.ts [FOLDER]`.
 * With `--check` nothing is written: names each file that is not what the source says, and exits with 1.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { auditPage } from './reference/audit.ts'
import { cliPage } from './reference/cli.ts'
import { configurationPage } from './reference/configuration.ts'
import { defaultConfigModule } from './reference/default-config.ts'
import { errorsPage } from './reference/errors.ts'
import { inspectorsPage } from './reference/inspectors.ts'
import { passesModule } from './reference/passes-module.ts'
import { patternsPage } from './reference/patterns.ts'
import { secretsPage } from './reference/secrets.ts'
import { schemaFile } from './reference/schema.ts'

/** The checkout, or the folder named. */
const ROOT = process.argv.slice(2).find((word) => !word.startsWith('-')) ?? join(import.meta.dirname, '..')

const PAGES: Readonly<Record<string, () => string | Promise<string>>> = {
  'docs/reference/audit.md': auditPage,
  'docs/reference/cage.schema.json': schemaFile,
  'docs/reference/cli.md': cliPage,
  'docs/reference/configuration.md': configurationPage,
  'docs/reference/errors.md': errorsPage,
  'docs/reference/inspectors.md': inspectorsPage,
  'docs/reference/patterns.md': patternsPage,
  'docs/reference/secrets.md': secretsPage,
  'src/config/default-config.ts': defaultConfigModule,
  'src/egress/simd/passes-module.ts': passesModule,
}

process.exitCode = process.argv.includes('--check') ? await check() : await write()

async function write(): Promise<number> {
  for (const [path, render] of Object.entries(PAGES)) {
    await mkdir(dirname(join(ROOT, path)), { recursive: true })
    await writeFile(join(ROOT, path), await render())
  }
  return 0
}

async function check(): Promise<number> {
  let stale = 0
  for (const [path, render] of Object.entries(PAGES)) {
    if ((await current(path)) === (await render())) continue
    process.stderr.write(`${path} is out of date: run \`node scripts/generate.ts\`\n`)
    stale += 1
  }
  return stale === 0 ? 0 : 1
}

async function current(path: string): Promise<string | undefined> {
  try {
    return await readFile(join(ROOT, path), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
