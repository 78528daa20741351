import { basename } from 'node:path'
import { isolationOf, machineOf } from '../config/isolation.ts'
import { defaultConfig } from '../config/default-config.ts'
import type { Config, SecretRule } from '../config/schema.ts'
import { CageError } from '../errors.ts'
import type { Hostname } from '../policy/host.ts'
import { knownHosts } from './known-secrets.ts'

/** What the command line adds to a configuration. */
export interface RunAdditions {
  readonly allow: readonly Hostname[]
  readonly secretNames: readonly string[]
}

/** A configuration with nothing in it: nothing is reachable. */
export function emptyConfig(): Config {
  return defaultConfig()
}

/** The configuration with `--allow` and `-s`. Throws a CageError where they cannot be meant. */
export function withAdditions(config: Config, { allow, secretNames }: RunAdditions): Config {
  return { ...config, domains: withAllowed(config, allow), secret_injection: withSecrets(config, secretNames) }
}

/** The cage's name: its own, or one made of the project folder's. */
export function cageNameFor(config: Config, project: string): string {
  if (config.name !== undefined) return config.name
  const name = basename(project)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 56)
    .replace(/-+$/, '')
  return name === '' ? 'run' : name
}

/** Of its API description, version 1.17.0-dev. */
const MOST_FIRECRACKER_VCPUS = 32

/** Whether the machine is Firecracker's, which sends packets where QEMU makes connections. */
export function usesFirecracker(config: Config): boolean {
  return isolationOf(config) === 'microvm' && machineOf(config).vmm === 'firecracker'
}

/** Throws when the configuration asks for an isolation that `run` does not have. */
export function requireRunnable(config: Config): void {
  if (!usesFirecracker(config)) return
  const { image, vcpus } = machineOf(config)
  if (image === undefined) {
    throw new CageError(
      'config_invalid',
      'microvm.vmm: firecracker needs microvm.image: it cannot show the host’s system',
      {
        hint: 'Name an image, or use microvm.vmm: auto.',
      },
    )
  }
  if (vcpus !== 1 && (vcpus % 2 !== 0 || vcpus > MOST_FIRECRACKER_VCPUS)) {
    throw new CageError(
      'config_invalid',
      `microvm.vcpus: Firecracker has 1 processor or an even number up to 32, not ${vcpus}`,
      {
        hint: 'Write another number, or use microvm.vmm: auto.',
      },
    )
  }
}

function withAllowed({ domains }: Config, allow: readonly Hostname[]): Config['domains'] {
  if (allow.length === 0) return domains
  if (domains?.mode === 'blocklist') {
    throw new CageError('usage', '--allow does nothing with domains.mode: blocklist, where all but the list is allowed')
  }
  return { mode: 'allowlist', list: [...(domains?.list ?? []), ...allow.map((host) => ({ host }))] }
}

function withSecrets({ secret_injection: rules }: Config, names: readonly string[]): Config['secret_injection'] {
  const missing = names.filter((name) => !rules.some(({ env }) => env === name))
  return [...rules, ...missing.map(ruleFor)]
}

function ruleFor(env: string): SecretRule {
  const hosts = knownHosts(env)
  if (hosts !== undefined)
    return { env, inject_to: hosts.map((host) => ({ host })), inject_headers: [], inject_body: false }
  throw new CageError('usage', `-s ${env}: which host is it for?`, {
    hint: `Name its hosts in a configuration: secret_injection: [{env: ${env}, inject_to: [api.example.com]}]`,
  })
}
