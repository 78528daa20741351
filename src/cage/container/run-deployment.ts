import { join } from 'node:path'
import type { Config } from '../../config/schema.ts'
import type { EgressImage } from '../../isolation/container/image/image.ts'
import { podmanSecretName } from '../../isolation/container/names.ts'
import type { Podman } from '../../isolation/container/podman.ts'
import type { CageNetwork } from '../../isolation/container/subnet.ts'
import { usable } from '../../secrets/private-state.ts'
import { resolveSecrets } from '../../secrets/resolve.ts'
import type { Secret } from '../../secrets/secret.ts'
import { openSecretStore } from '../../secrets/store.ts'
import { ensurePrivateFolder } from '../../system/files.ts'
import { deploymentOf, saveDeployment, type Deployment } from '../deployment.ts'
import { keepInspectors, readInspectors, recordOfInspectors } from '../deployment-inspectors.ts'
import type { DeploymentRecord } from '../deployment-record.ts'
import { deploymentSources } from '../deployment-sources.ts'
import { keptEnvironment } from '../process-service.ts'
import { storePodmanSecret } from './podman-objects.ts'
import type { OwnText } from './run-config.ts'
import type { RunState } from './run-state.ts'
import type { ContainerRunRequest } from './run.ts'
import { writeContainerFiles } from './state-files.ts'

export interface RunDraft {
  readonly request: ContainerRunRequest
  readonly config: Config
  readonly name: string
  readonly state: RunState
  readonly own: OwnText
  readonly image: EgressImage
  /** The configuration that is in force. */
  readonly text: string
}

/** Writes what the containers of a run read, as a cage that stays has it; values to inject lie in memory only. */
export async function saveRun(podman: Podman, draft: RunDraft, network: CageNetwork): Promise<Deployment> {
  const { request, config, name, state } = draft
  const { environment } = request
  const plain = recordOf(draft, network)
  const programs = await readInspectors({ config, record: plain, environment })
  const record = { ...plain, inspectors: recordOfInspectors(programs) }
  const folder = join(state.scratch, 'deployment')
  const places = { folder, configPath: join(folder, 'cage.yaml'), stateFolder: state.stateFolder }
  const deployment = { ...deploymentOf({ name, record, config, environment }), ...places }
  await usable(folder, () => ensurePrivateFolder(folder))
  await keepInspectors(deployment, programs)
  await saveDeployment(deployment, draft.text)
  // What is saved is shown to the egress; of the environment it has what a cage that stays keeps of it.
  const full = { ...deployment, record: { ...record, environment: definedOnly(environment) } }
  await writeContainerFiles(full, await stageSecrets(full, draft))
  for (const secret of await valuesFor(
    full,
    config.container.podman_secrets.map((env) => ({ env })),
    request.secrets,
  ))
    await storePodmanSecret(podman, podmanSecretName(state.prefix, secret.name), secret.reveal())
  return full
}

function recordOf({ request, config, own, image }: RunDraft, network: CageNetwork): DeploymentRecord {
  const now = new Date().toISOString()
  const { workingDirectory, environment } = request
  return {
    version: 1,
    isolation: 'container',
    created: now,
    updated: now,
    agentcage: 'run',
    source: own.path ?? join(workingDirectory, 'cage.yaml'),
    working_directory: workingDirectory,
    project: own.project,
    environment: keptEnvironment(config, environment),
    network,
    egress_image: image.hash,
    ...(image.base === undefined ? {} : { egress_base: image.base }),
    inspectors: {},
  }
}

/** All values of the rules, where the egress finds them: in the store it knows, or among those whose source it cannot ask. */
async function stageSecrets(deployment: Deployment, { request, state }: RunDraft): Promise<readonly Secret[]> {
  const { config, folder } = deployment
  const [storeFolder, valuesFolder] = [join(folder, 'secrets'), join(state.scratch, 'values')]
  for (const path of [storeFolder, valuesFolder]) await usable(path, () => ensurePrivateFolder(path))
  const [store, values] = [await openSecretStore(storeFolder), await openSecretStore(valuesFolder)]
  const secrets = await valuesFor(deployment, config.secret_injection, request.secrets)
  for (const secret of secrets) {
    const { source } = config.secret_injection.find(({ env }) => env === secret.name) ?? {}
    const isStored = source === undefined || source.kind === 'store'
    await (isStored ? store : values).set(secret.name, secret.reveal())
  }
  return secrets
}

/** Values that were given for this run win. */
async function valuesFor(
  deployment: Deployment,
  rules: Parameters<typeof resolveSecrets>[0],
  given: readonly Secret[],
): Promise<readonly Secret[]> {
  const named = given.filter(({ name }) => rules.some(({ env }) => env === name))
  const others = rules.filter(({ env }) => !named.some(({ name }) => name === env))
  return [...named, ...(await resolveSecrets(others, await deploymentSources(deployment)))]
}

function definedOnly(environment: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
