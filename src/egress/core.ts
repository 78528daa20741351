import type { AuditSink } from '../audit/record.ts'
import type { Config } from '../config/schema.ts'
import type { DomainPolicy } from '../policy/domains.ts'
import type { BodyBudget } from './http/body.ts'
import type { LiveExchanges } from './live.ts'
import type { InspectorChain } from './inspect/chain.ts'
import type { SecretSet } from './secrets/secret-set.ts'
import type { NamedPorts } from './secrets/permission.ts'
import type { Transforms } from './secrets/transforms/transforms.ts'
import type { Upstream } from './upstream/upstream.ts'

/** What a configuration decides. Immutable but for values that come to be secret; a reload puts another one in its place. */
export interface Ruling {
  readonly policy: DomainPolicy
  readonly chain: InspectorChain
  readonly secrets: SecretSet
  readonly transforms: Transforms
  readonly namesPort: NamedPorts
  readonly upstream: Upstream
  /** 0: no bound but the budget. */
  readonly maxBodyBytes: number
  /** Bytes of a response that inspectors look at. */
  readonly maxInspectedBytes: number
  readonly logging: Config['logging']
}

/** What every exchange shares. `ruling()` is asked each time something is decided, never kept. */
export interface EgressCore {
  /** Who asks: the workload, or somebody outside who asks the workload. */
  readonly direction: 'outbound' | 'inbound'
  ruling(): Ruling
  readonly audit: AuditSink
  readonly budget: BodyBudget
  readonly live: LiveExchanges
  readonly clock: () => Date
  /** For the operator only: what went wrong inside. Never holds secrets or bodies. */
  readonly log: (message: string) => void
}
