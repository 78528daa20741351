import type { Config } from '../config/schema.ts'
import { NO_FOLDERS } from './inspect/custom/program.ts'
import { DomainPolicy } from '../policy/domains.ts'
import { RateLimiter } from '../policy/rate-limit.ts'
import type { Ruling } from './core.ts'
import { bodySizeInspector } from './inspect/body-size.ts'
import { budgetInspector, DataBudget } from './inspect/budget.ts'
import { InspectorChain } from './inspect/chain.ts'
import { contentTypeInspector } from './inspect/content-type.ts'
import type { CustomInspector } from './inspect/custom/custom-inspector.ts'
import type { LoadOptions } from './inspect/custom/load.ts'
import { decodingOf } from './inspect/decode/limits.ts'
import { domainInspector } from './inspect/domain.ts'
import { entropyInspector } from './inspect/entropy.ts'
import { HostLabelBudget } from './inspect/host-labels-budget.ts'
import { hostLabelsInspector, zoneFinder } from './inspect/host-labels.ts'
import type { Inspector } from './inspect/inspector.ts'
import { rateLimitInspector } from './inspect/rate-limit.ts'
import { secretsInspector } from './inspect/secrets.ts'
import { secretsOptions } from './inspect/secrets-options.ts'
import { splitRules } from './inspect/split/rules.ts'
import { splitInspector, type SplitRules } from './inspect/split/split.ts'
import type { SecretBinding } from './secrets/binding.ts'
import { misuseInspector } from './secrets/misuse-inspector.ts'
import type { NamedPorts } from './secrets/permission.ts'
import { SecretSet } from './secrets/secret-set.ts'
import { Transforms } from './secrets/transforms/transforms.ts'
import { Upstream } from './upstream/upstream.ts'

/** What outlives a change of configuration: connections and buckets that the change does not touch. */
export interface Lasting {
  readonly config: Config
  /** For the values in it: what was secret once stays so until the egress ends. */
  readonly secrets: SecretSet
  readonly transforms: Transforms
  readonly upstream: Upstream
  readonly limiter: RateLimiter
  readonly hostLabels: HostLabelBudget | undefined
  readonly budget: DataBudget | undefined
  readonly split: SplitRules | undefined
  readonly custom: readonly CustomInspector[]
}

export interface MakeOptions extends Omit<LoadOptions, 'before'> {
  readonly before?: Lasting
}

export interface NewRuling {
  readonly ruling: Ruling
  readonly lasting: Lasting
}

const NOTHING_CUSTOM: MakeOptions = { place: NO_FOLDERS, log: () => {} }

/**
 * Makes a ruling of a configuration. `before` is kept where its part of the configuration is the same.
 * Throws a CageError when the configuration names something that cannot be used; nothing has changed then.
 */
export async function makeRuling(
  config: Config,
  bindings: readonly SecretBinding[],
  clock: () => Date,
  { before, place, log }: MakeOptions = NOTHING_CUSTOM,
): Promise<NewRuling> {
  const sameUpstream =
    before !== undefined &&
    same([before.config.upstream, before.config.dns_servers], [config.upstream, config.dns_servers])
  const sameLimit = before !== undefined && same(before.config.rate_limit, config.rate_limit)
  const policy = new DomainPolicy(config.domains)
  const namesPort: NamedPorts = (authority) => policy.namesPort(authority, clock())
  const transforms = new Transforms(bindings, clock, before?.transforms)
  const plain = bindings.filter(({ transform }) => transform === undefined)
  const secrets = new SecretSet(plain, { namesPort, before: before?.secrets, guards: transforms.guards, clock, log })
  const limiter = sameLimit ? before.limiter : new RateLimiter(config.rate_limit)
  const counts = lastingCounts(config, before)
  const upstream = sameUpstream ? before.upstream : await Upstream.create(config)
  const { values, placeholders } = secrets
  const options = config.secrets.enabled ? secretsOptions(config, placeholders, process.env) : undefined
  const split = splitRules(config, { values, placeholders, options, namesPort }, before?.split)
  const decoding = decodingOf(config)
  const builtIn = [
    rateLimitInspector(limiter, clock),
    domainInspector(policy, clock),
    misuseInspector(secrets, decoding),
    ...(options === undefined ? [] : [secretsInspector(options)]),
    bodySizeInspector(config.max_request_body),
    ...disguiseInspectors(config, { ...counts, split }, clock),
  ]
  // When everything else is made: nothing after this fails and leaves their threads behind.
  const custom = await customInspectors(config, { place, log, before: before?.custom ?? [] })
  const inspectors = [
    ...builtIn,
    ...custom.map(({ inspector }) => inspector),
    // Last: only what all others let pass is taken from it.
    ...(counts.budget === undefined ? [] : [budgetInspector(counts.budget, clock)]),
  ]
  const chain = new InspectorChain(inspectors, decoding.limits)
  return {
    ruling: {
      policy,
      chain,
      secrets,
      transforms,
      namesPort,
      upstream,
      maxBodyBytes: config.max_request_body,
      maxInspectedBytes: config.max_inspected_response,
      logging: config.logging,
    },
    lasting: { config, secrets, transforms, upstream, limiter, split, ...counts, custom },
  }
}

/** Most configurations name none, and need none of what runs them. */
async function customInspectors(config: Config, options: LoadOptions): Promise<readonly CustomInspector[]> {
  if (config.inspectors.length === 0) return []
  const { loadCustomInspectors } = await import('./inspect/custom/load.ts')
  return loadCustomInspectors(config, options)
}

/** What was counted so far; a change of other sections does not give it back. */
function lastingCounts(
  { host_labels: labels, budget }: Config,
  before: Lasting | undefined,
): Pick<Lasting, 'hostLabels' | 'budget'> {
  const hostLabels = labels === false ? undefined : new HostLabelBudget(labels)
  const data = budget === false ? undefined : new DataBudget(budget)
  if (before === undefined) return { hostLabels, budget: data }
  return {
    hostLabels: same(before.config.host_labels, labels) ? before.hostLabels : hostLabels,
    budget: same(before.config.budget, budget) ? before.budget : data,
  }
}

function disguiseInspectors(
  config: Config,
  { hostLabels, split }: Pick<Lasting, 'hostLabels' | 'split'>,
  clock: () => Date,
): Inspector[] {
  const { entropy, content_type: contentType, host_labels: labels, domains } = config
  return [
    ...(entropy === false ? [] : [entropyInspector(entropy)]),
    ...(contentType === false ? [] : [contentTypeInspector(contentType)]),
    ...(labels === false || hostLabels === undefined
      ? []
      : [hostLabelsInspector({ settings: labels, budget: hostLabels, zoneOf: zoneFinder(domains) }, clock)]),
    ...(split === undefined ? [] : [splitInspector(split, clock)]),
  ]
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
