import { readdirSync } from 'node:fs'
import { cagesFolder, deploymentsFolder, isCageName } from '../system/paths.ts'
import type { Io } from './io.ts'

/** For completion: cages that stay, have run, or have secrets. */
export function cagesLike(partial: string, env: Io['env']): readonly string[] {
  const names = [deploymentsFolder(env), cagesFolder(env)].flatMap(namesIn)
  return [...new Set(names)].filter((name) => isCageName(name) && name.startsWith(partial)).toSorted()
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
