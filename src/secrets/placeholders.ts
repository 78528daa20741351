import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { CageError } from '../errors.ts'
import { ensurePrivateFolder, writeFileAtomic } from '../system/files.ts'
import { decoyFor } from './decoy.ts'
import { isPrivateFolder, readPrivateFile, usable } from './private-state.ts'
import { isSecretName } from './secret-value.ts'
import type { Secret } from './secret.ts'

/** What the workload holds in place of a secret: printable ASCII without spaces, meaningless anywhere else. */
export type Placeholder = string & { readonly __brand: 'Placeholder' }

/** The rules of `secret_injection`, as far as they say what stands for which secret. */
interface PlaceholderRule {
  readonly env: string
  readonly placeholder?: string | undefined
  /** A generated one with the shape of the value. */
  readonly format?: 'like' | undefined
}

/** One that was generated: by its name alone, or as a decoy of the value. */
interface Kept {
  readonly placeholder: Placeholder
  readonly isDecoy: boolean
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
 * A new decoy needs the value: CageError `secret_missing` without it, `secret_invalid` when nothing can look like it.
 * Throws CageError `config_invalid` when two secrets would share a placeholder.
 */
export async function resolvePlaceholders(
  rules: readonly PlaceholderRule[],
  stateFolder: string,
  values: readonly Secret[] = [],
): Promise<ReadonlyMap<string, Placeholder>> {
  const toGenerate = rules.filter(({ placeholder }) => placeholder === undefined)
  const given = rules.map(({ placeholder }) => placeholder).filter((placeholder) => placeholder !== undefined)
  const generated =
    toGenerate.length === 0 ? new Map<string, Kept>() : await keep(toGenerate, stateFolder, { values, given })
  const placeholders = new Map<string, Placeholder>()
  const owners = new Map<Placeholder, string>()
  for (const { env, placeholder } of rules) {
    const chosen = placeholder === undefined ? generated.get(env)?.placeholder : parsePlaceholder(placeholder)
    if (chosen === undefined) throw configError(`the placeholder of ${env} must be 8 to 512 printable ASCII characters`)
    const owner = owners.get(chosen)
    if (owner !== undefined) throw configError(`${owner} and ${env} have the same placeholder`)
    owners.set(chosen, env)
    placeholders.set(env, chosen)
  }
  return placeholders
}

/**
 * Makes new placeholders in the place of all that were generated for a cage, and yields their names, sorted. A decoy is
 * followed by one of its own shape. Throws CageError `state_unusable` as above.
 */
export async function rotatePlaceholders(stateFolder: string): Promise<readonly string[]> {
  const path = join(stateFolder, PLACEHOLDER_FILE)
  const kept = (await isPrivateFolder(stateFolder)) ? await readKept(path) : new Map<string, Kept>()
  const before = [...kept.values()].map(({ placeholder }) => placeholder)
  for (const [name, { placeholder, isDecoy }] of kept) {
    const others = [...before, ...[...kept.values()].map((other) => other.placeholder)]
    const next = isDecoy ? decoyOf(name, placeholder, others) : generatePlaceholder(name)
    kept.set(name, { placeholder: next, isDecoy })
  }
  if (kept.size > 0) await write(path, kept)
  return [...kept.keys()].toSorted()
}

interface Neighbours {
  readonly values: readonly Secret[]
  /** Placeholders that rules give. */
  readonly given: readonly string[]
}

async function keep(
  rules: readonly PlaceholderRule[],
  folder: string,
  { values, given }: Neighbours,
): Promise<ReadonlyMap<string, Kept>> {
  const path = join(folder, PLACEHOLDER_FILE)
  const kept = (await isPrivateFolder(folder)) ? await readKept(path) : new Map<string, Kept>()
  let isNew = false
  for (const { env, format } of rules) {
    const isDecoy = format === 'like'
    if (kept.get(env)?.isDecoy === isDecoy) continue
    const others = [
      ...given,
      ...values.map((value) => value.reveal()),
      ...[...kept.values()].map((other) => other.placeholder),
    ]
    const placeholder = isDecoy ? decoyOf(env, valueOf(env, values), others) : generatePlaceholder(env)
    kept.set(env, { placeholder, isDecoy })
    isNew = true
  }
  if (isNew) {
    await usable(folder, () => ensurePrivateFolder(folder))
    await write(path, kept)
  }
  return kept
}

function valueOf(env: string, values: readonly Secret[]): string {
  const value = values.find(({ name }) => name === env)
  if (value !== undefined) return value.reveal()
  throw new CageError('secret_missing', `the placeholder of ${env} looks like its value, which is not known yet`, {
    hint: 'Start the cage first.',
  })
}

function decoyOf(env: string, value: string, others: readonly string[]): Placeholder {
  const decoy = parsePlaceholder(decoyFor(value, others) ?? '')
  if (decoy !== undefined) return decoy
  throw new CageError('secret_invalid', `secret ${env}: no placeholder can look like its value`, {
    hint: 'That takes 8 to 512 ASCII characters without blanks, most of them letters and digits. Leave out format: like.',
  })
}

async function write(path: string, kept: ReadonlyMap<string, Kept>): Promise<void> {
  const entries = [...kept].map(([name, { placeholder, isDecoy }]) => [
    name,
    isDecoy ? { like: placeholder } : placeholder,
  ])
  const text = `${JSON.stringify(Object.fromEntries(entries), undefined, 2)}\n`
  await usable(path, () => writeFileAtomic(path, text, { mode: 0o600 }))
}

async function readKept(path: string): Promise<Map<string, Kept>> {
  const content = await readPrivateFile(path, MAX_FILE_BYTES)
  const entries = content === undefined ? [] : parseObject(content.toString())
  const kept = new Map<string, Kept>()
  for (const [name, entry] of entries ?? [['', undefined]]) {
    const one = parseKept(name, entry)
    if (one === undefined) {
      throw new CageError('state_unusable', `${path} does not hold what agentcage wrote`, {
        hint: `Restore it, or remove it: the cage then gets new placeholders.`,
      })
    }
    kept.set(name, one)
  }
  return kept
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

function parseKept(name: string, entry: unknown): Kept | undefined {
  if (!isSecretName(name)) return undefined
  if (typeof entry === 'string') return isGenerated(name, entry) ? { placeholder: entry, isDecoy: false } : undefined
  if (typeof entry !== 'object' || entry === null || Object.keys(entry).join() !== 'like') return undefined
  const { like } = entry as { readonly like: unknown }
  const placeholder = typeof like === 'string' ? parsePlaceholder(like) : undefined
  return placeholder === undefined ? undefined : { placeholder, isDecoy: true }
}

function isGenerated(name: string, text: string): text is Placeholder {
  const prefix = `agentcage:secret:${name}:`
  return text.startsWith(prefix) && /^[0-9a-f]{32}$/.test(text.slice(prefix.length))
}

function configError(problem: string): CageError {
  return new CageError('config_invalid', `secret_injection: ${problem}`)
}
