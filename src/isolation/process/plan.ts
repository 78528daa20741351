import { relative } from 'node:path'
import { CageError } from '../../errors.ts'
import type { Mount, WorkloadPlan } from '../isolation.ts'
import { credentialGuard } from './credentials.ts'
import { workloadEnvironment } from './environment.ts'
import { isShown, mountOver, systemMounts } from './filesystem.ts'
import type { HostFacts } from './host.ts'
import { gitConfiguration, replacedFiles, type GeneratedFile } from './identity.ts'
import { parseBytes } from './memory-size.ts'
import { isWithin, linkTarget, realPath, statOf } from './paths.ts'
import { findPrograms } from './programs.ts'
import { resolveProject } from './project.ts'
import { protectProject } from './protection.ts'
import { surveyRepositories } from './repositories.ts'
import type { StandIn } from './stand-ins.ts'
import { protectVolumes, type Bind, type WritableFolder } from './volume-protection.ts'
import { volumeMounts, type VolumeSettings } from './volumes.ts'

export interface ContainerSettings extends VolumeSettings {
  readonly env: Readonly<Record<string, string>>
  readonly memory?: string | undefined
  readonly pids?: number | undefined
}

/** What of the configuration matters here; the whole of it fits. */
export interface WorkloadConfig {
  readonly name?: string | undefined
  readonly container: ContainerSettings
}

export interface WorkloadRequest {
  readonly config: WorkloadConfig
  readonly command: readonly [string, ...string[]]
  /** The project folder as named, by default where agentcage was called. */
  readonly project: string
  /** Files that decide about the cage, such as its configuration. Absolute; the workload may not change them. */
  readonly settings?: readonly string[] | undefined
  readonly host: HostFacts
  /** From `writeTrust`. */
  readonly trust: { readonly mounts: readonly Mount[]; readonly environment: Readonly<Record<string, string>> }
  /** URL of the explicit proxy, as the workload reaches it. */
  readonly proxy: string
  /** Address that answers DNS. */
  readonly nameserver: string
  /** Environment name to placeholder. */
  readonly placeholders: Readonly<Record<string, string>>
  /** Host folder that the generated files will be written to; only this user may enter it. */
  readonly scratch: string
}

export interface PlannedWorkload {
  readonly plan: WorkloadPlan
  /** The project without symbolic links. */
  readonly project: string
  /** The project, and volumes outside it. */
  readonly folders: readonly WritableFolder[]
  /** To be written to the scratch folder before the start. */
  readonly files: readonly GeneratedFile[]
  /** To be placed before the start and removed after the end. */
  readonly standIns: readonly StandIn[]
  readonly warnings: readonly string[]
}

/** Inside, where generated files lie that replace nothing. */
const INSIDE = '/run/agentcage'

/**
 * What the workload runs and sees. Reads the host's file system, changes nothing. Throws `mount_refused`,
 * `config_invalid` or `host_unsupported`.
 */
export function planWorkload(request: WorkloadRequest): PlannedWorkload {
  const { config, settings = [], host, trust } = request
  const guard = credentialGuard(host.home)
  const project = resolveProject(request.project, host, guard)
  const workingDirectory = isWithin(host.workingDirectory, project) ? host.workingDirectory : project
  const system = systemMounts(host)
  const projectMount: Mount = { kind: 'bind', source: project, target: project, writable: true }
  const programs = findPrograms(request.command, {
    host,
    guard,
    project,
    workingDirectory,
    shown: [...system, projectMount],
  })
  const survey = surveyRepositories(project)
  const protection = protectProject(project, { survey, settings })
  const below = [...system, ...programs.mounts, projectMount, ...protection.mounts]
  const replaced = replacementMounts(request, below)
  const volumes = volumeMounts({
    container: config.container,
    project,
    settings,
    writable: [project],
    host,
    guard,
    below,
    reserved: [...replaced, ...trust.mounts].map(({ target }) => target),
  })
  const guarded = protectVolumes(volumes.mounts, { isOpen: (volume) => isOpened(volume, protection.mounts) })
  const mounts = [...below, ...guarded.mounts, ...replaced, ...trust.mounts]
  const standIns = distinct([...protection.standIns, ...volumes.standIns, ...guarded.standIns])
  const files = [...replacedFiles(request.nameserver).values(), ...gitFiles(host, project, standIns)]
  const environment = workloadEnvironment({
    host,
    configured: config.container.env,
    placeholders: request.placeholders,
    trust: trust.environment,
    proxy: request.proxy,
    path: programs.path,
    workingDirectory,
    cageName: config.name ?? 'run',
    tools: { GIT_CONFIG_SYSTEM: `${INSIDE}/gitconfig` },
    isShown: (path) => isShown(mounts, realPath(path) ?? path),
  })
  return {
    plan: {
      command: request.command,
      workingDirectory,
      environment: environment.variables,
      mounts,
      limits: { memory: parseBytes(config.container.memory), pids: config.container.pids },
    },
    project,
    folders: [{ folder: project, survey }, ...guarded.folders.filter(({ folder }) => !isWithin(folder, project))],
    files,
    standIns,
    warnings: [...protection.warnings, ...guarded.warnings, ...environment.warnings],
  }
}

/** Whether a volume opens something of the project that is protected, on purpose. */
function isOpened({ source }: Bind, protection: readonly Mount[]): boolean {
  return protection.some((mount) => mount.kind === 'bind' && !mount.writable && isWithin(source, mount.source))
}

/** A volume may show the project once more, or a part of it. */
function distinct(standIns: readonly StandIn[]): readonly StandIn[] {
  return [...new Map(standIns.map((standIn) => [standIn.path, standIn])).values()]
}

/** Lays the generated files over those of /etc, wherever symbolic links put these, and shows those for git. */
function replacementMounts({ nameserver, scratch }: WorkloadRequest, below: readonly Mount[]): readonly Mount[] {
  const show = (name: string, target: string): Mount => ({
    kind: 'bind',
    source: `${scratch}/${name}`,
    target,
    writable: false,
  })
  const replacing = [...replacedFiles(nameserver)].flatMap(([path, { name }]): readonly Mount[] => {
    const target = linkTarget(path)
    const over = mountOver(below, target)
    if (over?.kind !== 'bind' || statOf(target)?.isFile() === true) return [show(name, target)]
    if (name !== 'resolv.conf') return []
    throw new CageError('host_unsupported', `${path} does not exist`, {
      hint: `Create it, an empty file will do: touch ${path}`,
    })
  })
  return [...replacing, ...['gitconfig', 'gitignore'].map((name) => show(name, `${INSIDE}/${name}`))]
}

function gitFiles(host: HostFacts, project: string, standIns: readonly StandIn[]): readonly GeneratedFile[] {
  const ignored = standIns
    .filter(({ kind, path }) => kind === 'file' && isWithin(path, project) && !path.includes('/.git/'))
    .map(({ path }) => `/${relative(project, path)}\n`)
  return [
    { name: 'gitconfig', content: gitConfiguration(host, `${INSIDE}/gitignore`) },
    { name: 'gitignore', content: ignored.join('') },
  ]
}
