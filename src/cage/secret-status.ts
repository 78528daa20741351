import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { CageError } from '../errors.ts'
import { Reach } from '../secrets/reach.ts'
import { resolveSecret, type SourceRule } from '../secrets/resolve.ts'
import type { SourceContext } from '../secrets/source.ts'
import { sourceName } from '../secrets/source-problem.ts'
import { openSecretStore } from '../secrets/store.ts'
import { secretsFolder } from '../system/paths.ts'
import { loadDeployment, readDeploymentRecord, type Environment } from './deployment.ts'
import { deploymentSources } from './deployment-sources.ts'

/** How one secret of a cage stands. Never holds its value. */
export interface SecretStatus {
  readonly name: string
  /** `direct`: the workload holds the value itself. `orphan`: it is stored, and nothing uses it. */
  readonly type: 'injection' | 'direct' | 'orphan'
  /** `unchecked`: only the cage's own process, or a command that was not asked, could tell. */
  readonly status: 'ok' | 'MISSING' | 'unchecked'
  /** Such as `env:PROD_KEY`; `store` where the store comes first. */
  readonly source: string
  /** Why a source gives no value. */
  readonly problem?: string
}

export interface StatusRequest {
  readonly cage: string
  /** Of a cage that is run; absolute. Undefined: that of the cage that stays, if it is one. */
  readonly configPath: string | undefined
  readonly environment: Environment
  /** Whether programs are asked: a vault may want somebody to unlock it. */
  readonly ask: boolean
}

/** In the order of the rules, then what is stored besides. Undefined when no configuration is known. */
export async function secretStatuses(request: StatusRequest): Promise<readonly SecretStatus[] | undefined> {
  const known = await knownConfig(request)
  if (known === undefined) return undefined
  const { config, context, stays } = known
  const statuses: SecretStatus[] = []
  const asking = { stays, ask: request.ask }
  const direct = config.container.podman_secrets.map((env) => ({ env }))
  for (const rule of config.secret_injection) statuses.push(await statusOf(rule, context, asking))
  for (const rule of direct) statuses.push({ ...(await statusOf(rule, context, asking)), type: 'direct' })
  const used = new Set([...config.secret_injection, ...direct].map(({ env }) => env))
  const orphans = (await storedNames(request.cage, request.environment)).filter((name) => !used.has(name))
  return [...statuses, ...orphans.map((name) => ({ name, type: 'orphan', status: 'ok', source: 'store' }) as const)]
}

/** The names in the store, sorted. */
export async function storedNames(cage: string, environment: Environment): Promise<readonly string[]> {
  return (await openSecretStore(secretsFolder(cage, environment))).list()
}

/** Where a secret of a cage that stays comes from in place of the store; undefined when the store has its say. */
export async function otherSource(cage: string, name: string, environment: Environment): Promise<string | undefined> {
  if ((await readDeploymentRecord(cage, environment)) === undefined) return undefined
  const { config } = await loadDeployment(cage, environment)
  const source = config.secret_injection.find(({ env }) => env === name)?.source
  return source === undefined || source.kind === 'store' ? undefined : sourceName(source)
}

interface KnownConfig {
  readonly config: Config
  readonly context: SourceContext
  /** Whether it is a cage that stays. */
  readonly stays: boolean
}

async function knownConfig({ cage, configPath, environment }: StatusRequest): Promise<KnownConfig | undefined> {
  if (configPath !== undefined) {
    const store = await openSecretStore(secretsFolder(cage, environment))
    const context = { environment, configPath, reach: await Reach.of([]), store }
    return { config: await loadConfig(configPath), context, stays: false }
  }
  if ((await readDeploymentRecord(cage, environment)) === undefined) return undefined
  const deployment = await loadDeployment(cage, environment)
  return { config: deployment.config, context: await deploymentSources(deployment), stays: true }
}

interface Asking {
  readonly stays: boolean
  readonly ask: boolean
}

async function statusOf(rule: SourceRule, context: SourceContext, { stays, ask }: Asking): Promise<SecretStatus> {
  const { env: name, source } = rule
  const shown = { name, type: 'injection', source: source === undefined ? 'store' : sourceName(source) } as const
  const kind = source?.kind ?? 'store'
  const isProgram = kind === 'command' || kind === 'encrypted-credential' || kind === 'podman'
  const isOfService = stays && kind === 'credential'
  if (isOfService || (isProgram && !ask)) return { ...shown, status: 'unchecked' }
  try {
    const secret = await resolveSecret(rule, context)
    return { ...shown, status: secret === undefined ? 'MISSING' : 'ok' }
  } catch (error) {
    if (!(error instanceof CageError)) throw error
    return { ...shown, status: 'MISSING', problem: error.message }
  }
}
