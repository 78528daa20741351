import { readdirSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { CageError } from '../errors.ts'
import { cageAudit, cagesFolder, isCageName } from '../system/paths.ts'
import { codeOf, reasonOf } from './failure.ts'

type Environment = Readonly<Record<string, string | undefined>>

interface Place {
  readonly env: Environment
  readonly cwd: string
}

/**
 * The logs that `target` means, absolute: a file, if it holds a `/` or there is one of that name; else those of the cage of
 * that name; absent, of the cage whose log changed last. A cage whose DNS is a program of its own has a second one.
 */
export function locateLogs(target: string | undefined, place: Place): readonly [main: string, ...more: string[]] {
  const { path, ofCage } = locateLog(target, place)
  const dns = join(dirname(path), 'dns', basename(path))
  return ofCage && exists(dns) ? [path, dns] : [path]
}

function locateLog(
  target: string | undefined,
  { env, cwd }: Place,
): { readonly path: string; readonly ofCage: boolean } {
  if (target === undefined) return { path: latestLog(env), ofCage: true }
  const file = resolve(cwd, target)
  if (target.includes('/') || exists(file)) return { path: file, ofCage: false }
  if (!isCageName(target)) {
    throw new CageError('usage', `${JSON.stringify(target)} is neither a file nor a name that a cage can have`)
  }
  const path = cageAudit(target, env)
  if (exists(path)) return { path, ofCage: true }
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
