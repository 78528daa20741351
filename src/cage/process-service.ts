import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Config } from '../config/schema.ts'
import { serviceUnit, serviceUnitName } from '../isolation/process/service-unit.ts'
import { userConfigHome } from '../system/paths.ts'
import type { UnitFile } from './backend.ts'
import type { Deployment, Environment } from './deployment.ts'

/** What runs in a cage whose configuration names no command: nothing, until somebody comes in by `exec`. */
export const IDLE_COMMAND = ['sleep', 'infinity'] as const

/** Of the environment of `cage create`: what programs are found by, language, zone, and where tools are installed. */
const KEPT =
  /^(?:PATH|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|ASDF_DATA_DIR|BUN_INSTALL|CONDA_PREFIX|DENO_INSTALL|GOROOT|JAVA_HOME|NVM_DIR|PNPM_HOME|PYENV_ROOT|RBENV_ROOT|RUSTUP_HOME|SDKMAN_DIR|VIRTUAL_ENV|VOLTA_HOME)$/

/**
 * The variables that a service needs again at each start: systemd has an environment of its own. Those that the
 * configuration names in `env` and `volumes` are kept too, but never one that is a secret of it.
 */
export function keptEnvironment(config: Config, environment: Environment): Readonly<Record<string, string>> {
  const templates = [...Object.values(config.container.env), ...config.container.volumes]
  const named = new Set(templates.flatMap(variablesIn))
  for (const { env } of config.secret_injection) named.delete(env)
  return Object.fromEntries(
    Object.entries(environment).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && (KEPT.test(entry[0]) || named.has(entry[0])),
    ),
  )
}

function variablesIn(template: string): readonly string[] {
  return [...template.matchAll(/\$\{?([A-Za-z_][A-Za-z0-9_]*)/g)].map(([, name = '']) => name)
}

/** What the supervisor goes by: systemd's environment and over it what was kept. */
export function serviceEnvironment({ environment, record }: Deployment): Environment {
  return { ...environment, ...record.environment }
}

/** Variables that say where agentcage keeps what it has. */
const PLACES = ['HOME', 'XDG_CONFIG_HOME', 'XDG_STATE_HOME', 'XDG_CACHE_HOME'] as const

export function processUnits(deployment: Deployment): readonly UnitFile[] {
  const { name, environment, config, record } = deployment
  const { restart, restart_sec: restartSec, timeout_start_sec, timeout_stop_sec: timeoutStopSec } = config.container
  const places = PLACES.flatMap((key) => (environment[key] === undefined ? [] : [[key, environment[key]] as const]))
  const unit = serviceUnitName(name)
  const content = serviceUnit({
    name,
    command: [process.execPath, programPath(), 'cage', 'supervise', name],
    environment: Object.fromEntries(places),
    workingDirectory: record.working_directory,
    restart,
    restartSec,
    timeoutStartSec: timeout_start_sec,
    timeoutStopSec,
  })
  return [{ name: unit, path: unitPath(name, environment), content }]
}

export function unitPath(name: string, environment: Environment): string {
  return `${userConfigHome(environment)}/systemd/user/${serviceUnitName(name)}`
}

/** The program that this module is a part of: in a checkout its source; what was built lies in one folder. */
function programPath(): string {
  const kind = extname(import.meta.url)
  const folder = kind === '.ts' ? '../../bin' : '.'
  return fileURLToPath(new URL(`${folder}/agentcage${kind}`, import.meta.url))
}
