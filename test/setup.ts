import { execFile } from 'node:child_process'
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { BUILT_PROGRAM } from './support/program.ts'

const ROOT = join(import.meta.dirname, '..')

/** Builds the program for all tests of a run: it is what people have, and starts in two thirds of the source's time. */
export async function globalSetup(): Promise<void> {
  // Below the checkout, as a cage shows no programs of folders that anybody may write to; `dist/` is what a test packs.
  const folder = join(ROOT, 'node_modules/.cache/published')
  await mkdir(folder, { recursive: true })
  await copyFile(join(ROOT, 'package.json'), join(folder, 'package.json'))
  await promisify(execFile)(process.execPath, [join(ROOT, 'scripts/build.ts'), join(folder, 'dist')])
  process.env[BUILT_PROGRAM] = join(folder, 'dist/agentcage.js')
}
