import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { CageError } from '../errors.ts'
import { ensurePrivateFolder, writeFileAtomic } from '../system/files.ts'
import { isPrivateFolder, readPrivateFile, usable } from './private-state.ts'
import { isSecretName } from './secret-value.ts'

/** What the workload holds in place of a secret: printable ASCII without spaces, meaningless anywhere else. */
export type Placeholder = string & { readonly __brand: 'Placeholder' }

/** The rules of `secret_injection`, as far as they say what stands for which secret. */
interface PlaceholderRule {
  readonly env: string
  readonly placeholder?: string | undefined
}

/** In a cage's state folder. */
export const PLACEHOLDER_FILE = 'placeholders.json'

/** Room for thousands; whatever is larger was not written here. */
const MAX_FILE_BYTES = 4 * 1024 * 1024

/** Undefined for what could be a part of ordinary text: see `secret_injection` in config/schema.ts. */
export function parsePlaceholder(text: string): Placeholder | undefined {
  return /^[\x21-\x7e]{8,512}$/.test(text) ? (text as Placeholder) : undefined
}

/** `agentcage:secret:NAME:` with 128 random bits: whoever does not hold it cannot guess it. */
export function generatePlaceholder(name: string): Placeholder {
  return `agentcage:secret:${name}:${randomBytes(16).toString('hex')}` as Placeholder
}

/**
 * The placeholder of each rule, by the secret's name: the one it gives, else the one generated for it before, else a
 * new one. Generated ones are kept in `placeholders.json` in the cage's state folder, so that a workload that saved
 * one can use it after a restart. A file that is there but cannot be used stops the start, CageError `state_unusable`:
 * making new ones would quietly turn what the workload saved into nonsense.
 * Throws CageError `config_invalid` when two secrets would share a placeholder.
 */
export async function resolvePlaceholders(
  rules: readonly PlaceholderRule[],
  stateFolder: string,
): Promise<ReadonlyMap<string, Placeholder>> {
  const toGenerate = rules.filter(({ placeholder }) => placeholder === undefined)
  const generated = toGenerate.length === 0 ? new Map<string, Placeholder>() : await keep(toGenerate, stateFolder)
  const placeholders = new Map<string, Placeholder>()
  const owners = new Map<Placeholder, string>()
  for (const { env, placeholder } of rules) {
    const chosen = placeholder === undefined ? generated.get(env) : parsePlaceholder(placeholder)
    if (chosen === undefined) throw configError(`the placeholder of ${env} must be 8 to 512 printable ASCII characters`)
    const owner = owners.get(chosen)
    if (owner !== undefined) throw configError(`${owner} and ${env} have the same placeholder`)
    owners.set(chosen, env)
    placeholders.set(env, chosen)
  }
  return placeholders
}

/**
 * Makes new placeholders in the place of all that were generated for a cage, and yields their names, sorted. Throws
 * CageError `state_unusable` as above.
 */
export async function rotatePlaceholders(stateFolder: string): Promise<readonly string[]> {
  const path = join(stateFolder, PLACEHOLDER_FILE)
  const kept = (await isPrivateFolder(stateFolder)) ? await readKept(path) : new Map<string, Placeholder>()
  const names = [...kept.keys()].toSorted()
  if (names.length > 0) await write(path, new Map(names.map((name) => [name, generatePlaceholder(name)])))
  return names
}

async function keep(rules: readonly PlaceholderRule[], folder: string): Promise<Map<string, Placeholder>> {
  const path = join(folder, PLACEHOLDER_FILE)
  const kept = (await isPrivateFolder(folder)) ? await readKept(path) : new Map<string, Placeholder>()
  const before = kept.size
  for (const { env } of rules) if (!kept.has(env)) kept.set(env, generatePlaceholder(env))
  if (kept.size > before) {
    await usable(folder, () => ensurePrivateFolder(folder))
    await write(path, kept)
  }
  return kept
}

async function write(path: string, placeholders: ReadonlyMap<string, Placeholder>): Promise<void> {
  const text = `${JSON.stringify(Object.fromEntries(placeholders), undefined, 2)}\n`
  await usable(path, () => writeFileAtomic(path, text, { mode: 0o600 }))
}

async function readKept(path: string): Promise<Map<string, Placeholder>> {
  const content = await readPrivateFile(path, MAX_FILE_BYTES)
  if (content === undefined) return new Map()
  const entries = parseObject(content.toString())
  const valid = entries?.every(([name, placeholder]) => isGenerated(name, placeholder))
  if (entries === undefined || valid !== true) {
    throw new CageError('state_unusable', `${path} does not hold what agentcage wrote`, {
      hint: `Restore it, or remove it: the cage then gets new placeholders.`,
    })
  }
  return new Map(entries as [string, Placeholder][])
}

function parseObject(text: string): [string, unknown][] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function isGenerated(name: string, placeholder: unknown): boolean {
  const prefix = `agentcage:secret:${name}:`
  if (!isSecretName(name) || typeof placeholder !== 'string' || !placeholder.startsWith(prefix)) return false
  return /^[0-9a-f]{32}$/.test(placeholder.slice(prefix.length))
}

function configError(problem: string): CageError {
  return new CageError('config_invalid', `secret_injection: ${problem}`)
}
