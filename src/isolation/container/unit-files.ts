import { renderUnit, unitValue } from '../systemd/unit-text.ts'
import { agentContainer, type AgentPlan, type AgentSettings } from './agent-container.ts'
import { dnsContainer, proxyContainer, proxyPort, type EgressPlan } from './egress-containers.ts'
import { cageNames } from './names.ts'
import { containerQuadlet } from './quadlet.ts'

/** A file for `~/.config/containers/systemd`. */
export interface Quadlet {
  readonly name: string
  readonly content: string
}

export interface CagePlan {
  readonly egress: Omit<EgressPlan, 'internal' | 'volume' | 'prefix'>
  readonly agent: Omit<AgentPlan, 'internal' | 'network' | 'name' | 'prefix' | 'proxyPort' | 'settings'> & {
    readonly settings: AgentSettings & ServiceSettings
  }
}

interface ServiceSettings {
  readonly restart: 'no' | 'on-failure' | 'always'
  readonly restart_sec: number
  /** 0 and null: no end. */
  readonly timeout_start_sec: number | null
}

/** The five quadlets of a cage. Pure; throws `config_invalid` or `mount_refused` for what cannot be rendered. */
export function cageQuadlets({ egress, agent }: CagePlan): readonly Quadlet[] {
  const { name, network } = egress
  const names = cageNames(name)
  const comment = `Made by agentcage for the cage ${name}; changes are lost at its next update.`
  const plan: EgressPlan = { ...egress, internal: `${names.network}.network`, volume: `${name}-certs.volume` }
  const trusted = { after: [], restart: 'on-failure', restartSec: 1, timeoutStartSec: 60 } as const
  const workload = agentContainer({
    ...agent,
    name,
    network,
    internal: plan.internal,
    proxyPort: proxyPort(plan.ports),
  })
  const { settings } = agent
  return [
    { name: `${names.network}.network`, content: networkQuadlet(comment, name, network.subnet) },
    { name: `${name}-certs.volume`, content: volumeQuadlet(comment, name) },
    {
      name: `${names.dns}.container`,
      content: containerQuadlet(comment, dnsContainer(plan), {
        ...trusted,
        description: `${name}: DNS of the cage`,
        leftover: auditLock(`${egress.stateFolder}/dns`),
      }),
    },
    {
      name: `${names.proxy}.container`,
      content: containerQuadlet(comment, proxyContainer(plan), {
        ...trusted,
        description: `${name}: proxy of the cage`,
        leftover: auditLock(egress.stateFolder),
      }),
    },
    {
      name: `${names.cage}.container`,
      content: containerQuadlet(comment, workload, {
        description: `${name}: the workload`,
        after: [`${names.dns}.service`, `${names.proxy}.service`],
        restart: settings.restart,
        restartSec: settings.restart_sec,
        timeoutStartSec: settings.timeout_start_sec === 0 ? null : settings.timeout_start_sec,
      }),
    },
  ]
}

/**
 * The lock of the audit log names a process of the container, which nobody outside can look up. Where the service starts,
 * its container has ended.
 */
function auditLock(folder: string): string {
  return `${folder}/audit.jsonl.lock`
}

/**
 * Internal, and without a resolver of Podman's: then the bridge has no address, and there is nothing on it but the cage's
 * containers.
 */
function networkQuadlet(comment: string, name: string, subnet: string): string {
  return renderUnit(comment, [
    { name: 'Unit', directives: [['Description', unitValue(`${name}: network of the cage`)]] },
    {
      name: 'Network',
      directives: [
        ['NetworkName', cageNames(name).network],
        ['Internal', 'true'],
        ['DisableDNS', 'true'],
        ['Subnet', subnet],
      ],
    },
  ])
}

function volumeQuadlet(comment: string, name: string): string {
  return renderUnit(comment, [
    { name: 'Unit', directives: [['Description', unitValue(`${name}: certificate authority of the cage`)]] },
    { name: 'Volume', directives: [['VolumeName', cageNames(name).volume]] },
  ])
}
