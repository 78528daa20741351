import { join } from 'node:path'
import { buildProgram } from './support/build-program.ts'
import { BUILT_PROGRAM } from './support/program.ts'

/** Builds the program for all tests of a run: it is what people have, and starts in two thirds of the source's time. */
export async function globalSetup(): Promise<void> {
  // Below the checkout, as a cage shows no programs of folders that anybody may write to; `dist/` is what a test packs.
  process.env[BUILT_PROGRAM] = await buildProgram(join(import.meta.dirname, '../node_modules/.cache/published'))
}
