import { join } from 'node:path'
import { CageError } from '../../errors.ts'
import { expandVariables } from '../../isolation/process/variables.ts'
import { usable } from '../../secrets/private-state.ts'
import { resolveSecrets } from '../../secrets/resolve.ts'
import type { Secret } from '../../secrets/secret.ts'
import { openSecretStore } from '../../secrets/store.ts'
import { ensurePrivateFolder, writeFileAtomic } from '../../system/files.ts'
import { secretsFolder } from '../../system/paths.ts'
import type { Deployment } from '../deployment.ts'
import { deploymentSources } from '../deployment-sources.ts'
import { secretVariables } from '../secret-variables.ts'
import { openStateFolder } from '../state-folder.ts'
import { usesSecret } from './variables.ts'

type Place = Pick<Deployment, 'stateFolder'>

/** Variables of the workload that Podman reads when it starts: placeholders. */
export function workloadFile({ stateFolder }: Place): string {
  return join(stateFolder, 'workload.env')
}

/** Variables of the egress, secrets of `extra_patterns` among them. */
export function egressFile({ stateFolder }: Place): string {
  return join(stateFolder, 'egress.env')
}

/** Written by the egress, shown to the workload. */
export function trustFolder({ stateFolder }: Place): string {
  return join(stateFolder, 'trust')
}

/** Values of secrets whose source only the host can ask; the egress reads the others in the store itself. */
export function valuesFolder({ stateFolder }: Place): string {
  return join(stateFolder, 'values')
}

/** Makes the folders that are mounted and writes what the containers read at their start, for this user alone. */
export async function writeStateFiles(deployment: Deployment): Promise<void> {
  const secrets = secretsFolder(deployment.name, deployment.environment)
  await usable(secrets, () => ensurePrivateFolder(secrets))
  await openStateFolder(deployment.stateFolder)
  await writeContainerFiles(deployment, await stageValues(deployment))
}

/** As `writeStateFiles`, with values that are where the egress finds them already. */
export async function writeContainerFiles(deployment: Deployment, values: readonly Secret[]): Promise<void> {
  for (const path of [join(deployment.stateFolder, 'dns'), valuesFolder(deployment)])
    await usable(path, () => ensurePrivateFolder(path))
  await writeWorkloadFile(deployment, values)
  await write(egressFile(deployment), patternVariables(deployment))
}

/** What the workload holds from its next start on. A new placeholder that looks like its value needs the value. */
export async function writeWorkloadFile(deployment: Deployment, values: readonly Secret[] = []): Promise<void> {
  const { config, stateFolder } = deployment
  const placeholders = await secretVariables(config, stateFolder, values)
  await write(workloadFile(deployment), { ...derived(deployment, placeholders), ...placeholders })
}

/** Puts the values that the egress cannot get by itself where it finds them, and yields all. Throws `secret_missing`. */
export async function stageValues(deployment: Deployment): Promise<readonly Secret[]> {
  const { name, config, environment } = deployment
  const store = await openSecretStore(secretsFolder(name, environment))
  const values = await openSecretStore(valuesFolder(deployment))
  const secrets = await resolveSecrets(config.secret_injection, await deploymentSources(deployment))
  const staged = new Set<string>()
  for (const secret of secrets) {
    const rule = config.secret_injection.find(({ env }) => env === secret.name)
    const isStored = rule?.source?.kind === 'store' || (rule?.source === undefined && (await store.get(secret.name)))
    if (isStored) continue
    await values.set(secret.name, secret.reveal())
    staged.add(secret.name)
  }
  for (const old of await values.list()) if (!staged.has(old)) await values.remove(old)
  return secrets
}

/** Values of `podman_secrets`, by name. Throws `secret_missing`. */
export async function podmanSecretValues(deployment: Deployment): Promise<ReadonlyMap<string, string>> {
  const rules = deployment.config.container.podman_secrets.map((env) => ({ env }))
  const found = await resolveSecrets(rules, await deploymentSources(deployment))
  return new Map(found.map((secret) => [secret.name, secret.reveal()]))
}

/** What of `container.env` is made of placeholders. */
function derived(
  { config, record }: Deployment,
  placeholders: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const templates = Object.entries(config.container.env).filter(([, template]) => usesSecret(config, template))
  const lookUp = (name: string): string | undefined => placeholders[name] ?? record.environment[name]
  return Object.fromEntries(templates.map(([name, template]) => [name, expandVariables(template, lookUp).text]))
}

function patternVariables({ config, record, environment }: Deployment): Readonly<Record<string, string>> {
  const names = config.secrets.extra_patterns.map(({ env }) => env).filter((env) => env !== undefined)
  const own = { ...environment, ...record.environment }
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = own[name]
      return value === undefined ? [] : [[name, value] as const]
    }),
  )
}

/** Podman takes such a file line by line, without quotes. */
async function write(path: string, variables: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.entries(variables).map(([name, value]) => {
    if (!/[\n\r\0]/.test(value)) return `${name}=${value}\n`
    throw new CageError('config_invalid', `the variable ${name} has more than one line`, {
      hint: 'With isolation: container such a value cannot be made of a placeholder or given to the egress.',
    })
  })
  await usable(path, () => writeFileAtomic(path, lines.join(''), { mode: 0o600 }))
}
