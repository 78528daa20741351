import { join } from 'node:path'
import type { Config, SecretRule } from '../config/schema.ts'
import type { Egress, BindingReason } from '../egress/egress.ts'
import { bindSecrets, type SecretBinding } from '../egress/secrets/binding.ts'
import { CageError } from '../errors.ts'
import { PLACEHOLDER_FILE, resolvePlaceholders, type Placeholder } from '../secrets/placeholders.ts'
import { Reach } from '../secrets/reach.ts'
import { missingSecrets, resolveSecret, type SourceRule } from '../secrets/resolve.ts'
import type { Secret } from '../secrets/secret.ts'
import { sourceFile, type SourceContext } from '../secrets/source.ts'
import { openSecretStore } from '../secrets/store.ts'
import { FileWatch } from '../system/file-watch.ts'
import { secretsFolder } from '../system/paths.ts'

export interface SecretSources {
  /** Name of the cage. */
  readonly cage: string
  /** Where generated placeholders are kept. */
  readonly stateFolder: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Values given for this run; they win over every source. */
  readonly given?: readonly Secret[]
  /** The configuration's file, absolute: what relative paths of sources start from. Absent: there are no such paths. */
  readonly configPath?: string | undefined
  /** Folders that the workload sees; no value and no program of a source may lie there. */
  readonly reach?: readonly string[]
  /**
   * Folder of a store with the values of all rules that do not mean the built-in one: for an egress that cannot ask the
   * host. Then there is no other source.
   */
  readonly values?: string | undefined
  /** Ends commands of sources under way. */
  readonly signal?: AbortSignal
  /** Tells the operator of values that changed, or could not be read again. */
  readonly log: (message: string) => void
}

/**
 * The secrets of a cage that runs. A value that was good once stays in force while its source has none or a wrong one:
 * a vault that is locked must not keep a configuration from being tightened.
 */
export class CageSecrets implements Disposable {
  readonly #sources: SecretSources
  readonly #watch: FileWatch
  /** The last good value of each rule. */
  readonly #values = new Map<string, Secret>()
  #placeholders: ReadonlyMap<string, Placeholder> = new Map()
  #egress: Pick<Egress, 'config' | 'rotate'> | undefined
  /** Files that changed before there was an egress. */
  readonly #early = new Set<string>()
  #handling: Promise<void> = Promise.resolve()

  constructor(sources: SecretSources) {
    this.#sources = sources
    this.#watch = new FileWatch((paths) => this.#onChange(paths))
  }

  /** For the egress: what a configuration's rules stand for. All sources are read again, unless only values changed. */
  readonly bindings = async (
    { secret_injection: rules }: Pick<Config, 'secret_injection'>,
    reason: BindingReason = 'configuration',
  ): Promise<readonly SecretBinding[]> => {
    if (rules.length === 0) return []
    const context = await this.#context()
    const inForce = this.#egress?.config.secret_injection ?? []
    // Before anything is read, so that no change in between is missed; those in force too, should these be refused.
    this.#watch.follow(this.#filesOf([...rules, ...inForce], context))
    if (reason === 'configuration') await this.#read(rules, context)
    const values = this.#valuesOf(rules)
    this.#placeholders = await resolvePlaceholders(rules, this.#sources.stateFolder, values)
    const bindings = bindSecrets(rules, values, this.#placeholders)
    return bindings.map((binding, index) => this.#keeping(binding, rules[index] as SecretRule))
  }

  /** Puts changed values in force in this egress from now on. */
  follow(egress: Pick<Egress, 'config' | 'rotate'>): void {
    this.#egress = egress
    if (this.#early.size > 0) this.#onChange(this.#early)
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]()
  }

  /** What a transform gets in place of a secret is kept in the store, where the rule would find it again. */
  #keeping(binding: SecretBinding, rule: SecretRule): SecretBinding {
    const { transform, name } = binding
    const isStored = rule.source === undefined || rule.source.kind === 'store'
    if (transform === undefined || !isStored || this.#given(rule) !== undefined) return binding
    const { cage, environment } = this.#sources
    const keep = async (value: string): Promise<void> => {
      const store = await openSecretStore(secretsFolder(cage, environment))
      await store.set(name, value)
    }
    return { ...binding, transform: { ...transform, keep } }
  }

  #valuesOf(rules: readonly SecretRule[]): readonly Secret[] {
    return rules
      .map((rule) => this.#given(rule) ?? this.#values.get(keyOf(rule)))
      .filter((secret) => secret !== undefined)
  }

  #given({ env }: SecretRule): Secret | undefined {
    return this.#sources.given?.find(({ name }) => name === env)
  }

  /** Throws CageError `secret_missing` and what `resolveSecret` throws, for rules that never had a value. */
  async #read(rules: readonly SecretRule[], context: SourceContext): Promise<void> {
    const missing: string[] = []
    for (const rule of rules) {
      if (this.#given(rule) !== undefined) continue
      const reading = await this.#readRule(rule, context)
      if ('secret' in reading) this.#values.set(keyOf(rule), reading.secret)
      else if (this.#values.has(keyOf(rule))) this.#complain(rule, reading.problem)
      else if (reading.cause !== undefined) throw reading.cause
      else missing.push(rule.env)
    }
    if (missing.length > 0) throw missingSecrets(this.#sources.cage, missing)
  }

  #onChange(paths: ReadonlySet<string>): void {
    if (this.#egress === undefined) {
      for (const path of paths) this.#early.add(path)
      return
    }
    const egress = this.#egress
    this.#handling = this.#handling
      .then(() => this.#take(new Set(paths), egress))
      .catch((error: unknown) => this.#sources.log(`secrets not read again: ${textOf(error)}`))
  }

  /** Reads what is in files that have changed, and puts it in force if it is another than before. */
  async #take(paths: ReadonlySet<string>, egress: Pick<Egress, 'config' | 'rotate'>): Promise<void> {
    const { secret_injection: rules } = egress.config
    const context = await this.#context()
    const renewals: Renewal[] = []
    for (const rule of rules) {
      const file = this.#fileOf(rule, context)
      const renewal = file !== undefined && paths.has(file) ? await this.#renew(rule, context) : undefined
      if (renewal !== undefined) renewals.push(renewal)
    }
    const placeholders = this.#placeholders
    try {
      const hasOthers = await this.#placeholdersChanged(rules)
      if (renewals.length === 0 && !hasOthers) return
      await egress.rotate()
      if (renewals.length > 0) this.#sources.log(`new values in force: ${renewals.map(({ name }) => name).join(', ')}`)
      if (hasOthers) this.#sources.log('new placeholders in force')
    } catch (error) {
      this.#placeholders = placeholders
      for (const { key, before, after } of renewals) if (this.#values.get(key) === after) this.#values.set(key, before)
      this.#sources.log(`secrets not changed, the last good ones stay in force: ${textOf(error)}`)
    }
  }

  /** Undefined when there is no other value. */
  async #renew(rule: SecretRule, context: SourceContext): Promise<Renewal | undefined> {
    const key = keyOf(rule)
    const before = this.#values.get(key)
    const reading = await this.#readRule(rule, context)
    if (before === undefined) return undefined
    if (!('secret' in reading)) {
      this.#complain(rule, reading.problem)
      return undefined
    }
    if (before.reveal() === reading.secret.reveal()) return undefined
    this.#values.set(key, reading.secret)
    return { name: rule.env, key, before, after: reading.secret }
  }

  async #placeholdersChanged(rules: Config['secret_injection']): Promise<boolean> {
    const now = await resolvePlaceholders(rules, this.#sources.stateFolder, this.#valuesOf(rules))
    return [...now].some(([name, placeholder]) => this.#placeholders.get(name) !== placeholder)
  }

  #complain({ env }: SecretRule, problem: string): void {
    this.#sources.log(`warning: the last good value of ${env} stays in force: ${problem}`)
  }

  /** The files that placeholders and values come from. */
  #filesOf(rules: readonly SecretRule[], context: SourceContext): readonly string[] {
    const files = rules.map((rule) => this.#fileOf(rule, context)).filter((file) => file !== undefined)
    return [join(this.#sources.stateFolder, PLACEHOLDER_FILE), ...files]
  }

  #fileOf(rule: SecretRule, context: SourceContext): string | undefined {
    const { cage, environment } = this.#sources
    const { env, source } = rule
    if (this.#given(rule) !== undefined) return undefined
    const isStored = source === undefined || source.kind === 'store'
    if (isStored) return join(secretsFolder(cage, environment), env)
    return this.#sources.values === undefined ? sourceFile(source, context) : join(this.#sources.values, env)
  }

  async #readRule(rule: SecretRule, context: SourceContext): Promise<Reading> {
    if (this.#sources.values === undefined) return readRule(rule, context)
    const values = await openSecretStore(this.#sources.values)
    const isFetched = rule.source !== undefined && rule.source.kind !== 'store'
    const store: SourceContext['store'] = {
      get: async (name) => (isFetched ? undefined : await context.store?.get(name)) ?? values.get(name),
    }
    return readRule({ ...rule, source: undefined }, { ...context, store, environment: {} })
  }

  async #context(): Promise<SourceContext> {
    const { cage, environment, configPath, reach = [], signal } = this.#sources
    return {
      environment,
      configPath,
      reach: await Reach.of(reach),
      store: await openSecretStore(secretsFolder(cage, environment)),
      signal,
    }
  }
}

/**
 * What the workload holds instead: the placeholder of each rule by its environment variable. A new one of `format: like`
 * needs the value; without values, ask after the egress got its bindings.
 */
export async function placeholdersOf(
  { secret_injection: rules }: Pick<Config, 'secret_injection'>,
  stateFolder: string,
  values: readonly Secret[] = [],
): Promise<ReadonlyMap<string, Placeholder>> {
  return resolvePlaceholders(rules, stateFolder, values)
}

interface Renewal {
  readonly name: string
  readonly key: string
  readonly before: Secret
  readonly after: Secret
}

type Reading = { readonly secret: Secret } | { readonly problem: string; readonly cause?: CageError }

async function readRule(rule: SourceRule, context: SourceContext): Promise<Reading> {
  try {
    const secret = await resolveSecret(rule, context)
    return secret === undefined ? { problem: 'it has no value any more' } : { secret }
  } catch (error) {
    if (!(error instanceof CageError)) throw error
    return { problem: error.message, cause: error }
  }
}

/** A rule that names another source is another one: what the old source gave is not for it. */
function keyOf({ env, source }: SecretRule): string {
  return JSON.stringify([env, source ?? null])
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
