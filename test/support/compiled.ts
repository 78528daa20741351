import { join } from 'node:path'

/**
 * Environment for the program when a test starts it from its source. Its home is new in each test, and with it the place
 * where it keeps compiled code: without this it would compile all of itself at every start, which takes longer than the rest.
 */
export const COMPILED = {
  NODE_COMPILE_CACHE: join(import.meta.dirname, '../../node_modules/.cache/compiled'),
} as const
