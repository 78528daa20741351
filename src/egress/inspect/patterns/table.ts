import { AI_PATTERNS } from './ai.ts'
import { CLOUD_PATTERNS } from './cloud.ts'
import { GENERAL_PATTERNS } from './general.ts'
import { HOSTING_PATTERNS } from './hosting.ts'
import type { SecretPattern } from './pattern.ts'
import { SERVICE_PATTERNS } from './services.ts'

/** Every kind of credential that is looked for; where two are found in one place, the first is named. */
export const SECRET_PATTERNS: readonly SecretPattern[] = [
  ...AI_PATTERNS,
  ...CLOUD_PATTERNS,
  ...HOSTING_PATTERNS,
  ...SERVICE_PATTERNS,
  ...GENERAL_PATTERNS,
]
