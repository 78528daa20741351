import { agentContainer, type AgentPlan } from './agent-container.ts'
import { dnsContainer, proxyContainer, proxyPort, type EgressPlan } from './egress-containers.ts'
import { cageNames } from './names.ts'
import type { ContainerSpec } from './spec.ts'
import type { CagePlan } from './unit-files.ts'

/** The containers of one run, in the order of their starts; nothing of them is systemd's. */
export interface RunSpecs {
  readonly dns: ContainerSpec
  readonly proxy: ContainerSpec
  readonly agent: ContainerSpec
}

export interface RunOptions {
  /** What the parts are called after, in Podman. */
  readonly prefix: string
  /** Values of secrets, for the proxy; absolute. */
  readonly values: string
  /** Where the command starts; absent: where the image says. */
  readonly workingDirectory: string | undefined
}

/** As `cageQuadlets`, for a cage that ends with its command. Pure; throws what it throws. */
export function runSpecs({ egress, agent }: CagePlan, { prefix, values, workingDirectory }: RunOptions): RunSpecs {
  const internal = cageNames(prefix).network
  const plan: EgressPlan = { ...egress, prefix, internal, volume: undefined }
  const agentPlan: AgentPlan = {
    ...agent,
    name: egress.name,
    prefix,
    network: egress.network,
    internal,
    proxyPort: proxyPort(plan.ports),
  }
  const proxy = proxyContainer(plan)
  return {
    dns: dnsContainer(plan),
    proxy: { ...proxy, mounts: [...proxy.mounts, { kind: 'bind', source: values, target: VALUES, writable: false }] },
    agent: { ...agentContainer(agentPlan), workingDirectory },
  }
}

/** Within what the proxy has of the cage's state, see egress-containers.ts. */
const VALUES = '/var/lib/agentcage/cage/values'
