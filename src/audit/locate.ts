import { readdirSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { CageError } from '../errors.ts'
import { cageAudit, cagesFolder, isCageName } from '../system/paths.ts'
import { codeOf, reasonOf } from './failure.ts'

type Environment = Readonly<Record<string, string | undefined>>

interface Place {
  readonly env: Environment
  readonly cwd: string
}

/**
 * The log that `target` means: a file, if it holds a `/` or there is one of that name; else the cage of that name;
 * absent, the cage whose log changed last. The result is absolute.
 */
export function locateLog(target: string | undefined, { env, cwd }: Place): string {
  if (target === undefined) return latestLog(env)
  const file = resolve(cwd, target)
  if (target.includes('/') || exists(file)) return file
  if (!isCageName(target)) {
    throw new CageError('usage', `${JSON.stringify(target)} is neither a file nor a name that a cage can have`)
  }
  const path = cageAudit(target, env)
  if (exists(path)) return path
  throw new CageError('audit_unusable', `there is no audit log of a cage '${target}' (${path})`, {
    hint: 'Name a file with a path, such as ./audit.jsonl.',
  })
}

function latestLog(env: Environment): string {
  const folder = cagesFolder(env)
  const logs = cageNames(folder).map((name) => {
    const path = cageAudit(name, env)
    return { path, changed: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY }
  })
  const latest = logs.reduce((best, log) => (log.changed > best.changed ? log : best), {
    path: '',
    changed: Number.NEGATIVE_INFINITY,
  })
  if (latest.path !== '') return latest.path
  throw new CageError('audit_unusable', `there is no audit log in ${folder}`, {
    hint: 'Run a cage first, or name a file: agentcage audit FILE',
  })
}

function cageNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter(isCageName)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw new CageError('audit_unusable', `${folder} cannot be read: ${reasonOf(error)}`, { cause: error })
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}
