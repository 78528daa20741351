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

/** Throws when the configuration asks for an isolation that `run` does not have. */
export function requireRunnable(config: Config): void {
  if (isolationOf(config) === 'microvm' && machineOf(config).vmm === 'firecracker') {
    throw new CageError('config_invalid', 'run starts machines with QEMU only: Firecracker cannot show host folders', {
      hint: 'Use microvm.vmm: auto.',
    })
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
