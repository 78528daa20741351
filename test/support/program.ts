import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')

/** Names the built program to the tests of a run, which `test/setup.ts` made for them. */
export const BUILT_PROGRAM = 'AGENTCAGE_BUILT_PROGRAM'

/** `agentcage` as tests start it: what is published, built for the run, else the source; a test file may run by itself. */
export const PROGRAM = process.env[BUILT_PROGRAM] ?? join(ROOT, 'bin/agentcage.ts')

/**
 * Environment for the program when a test starts it. Its home is new in each test, and with it the place where it keeps
 * compiled code: without this it would compile all of itself at every start, which takes longer than the rest.
 */
export const COMPILED = {
  NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/compiled'),
} as const
