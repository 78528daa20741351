import { lstatSync, readdirSync, statSync } from 'node:fs'
import { isAbsolute, join, normalize, resolve } from 'node:path'
import { CageError } from '../../errors.ts'
import type { Mount } from '../isolation.ts'
import type { CredentialFinding, CredentialGuard } from './credentials.ts'
import { mountOver } from './filesystem.ts'
import type { HostFacts } from './host.ts'
import { isWithin, linksAlong, realPath, statOf } from './paths.ts'
import type { StandIn } from './stand-ins.ts'
import { expandVariables } from './variables.ts'

/** Of the configuration's `container` section. */
export interface VolumeSettings {
  readonly volumes: readonly string[]
  readonly allow_credential_mounts: readonly string[]
}

interface VolumeContext {
  readonly container: VolumeSettings
  readonly project: string
  /** Files that the workload may not change. */
  readonly settings: readonly string[]
  /** Folders, beside the volumes, that the workload may write; without symbolic links. */
  readonly writable: readonly string[]
  readonly host: HostFacts
  readonly guard: CredentialGuard
  /** What lies below: to tell where a mount point can be made. */
  readonly below: readonly Mount[]
  /** Targets that must stay what they are: name resolution, trust. */
  readonly reserved: readonly string[]
}

export interface Volumes {
  readonly mounts: readonly Extract<Mount, { readonly kind: 'bind' }>[]
  /** Mount points that are made in the project for as long as the workload runs. */
  readonly standIns: readonly StandIn[]
}

/**
 * The mounts that `container.volumes` asks for, `HOST:INSIDE[:ro|rw]`, writable unless `ro`. Throws `mount_refused`
 * for what lies outside home and project, for credentials that `allow_credential_mounts` does not name, for sockets,
 * and for places inside that belong to the cage.
 */
export function volumeMounts(context: VolumeContext): Volumes {
  const volumes = context.container.volumes.map((text) => resolveVolume(text, context))
  return {
    mounts: volumes.map(({ source, target, writable }) => ({ kind: 'bind', source, target, writable })),
    standIns: volumes.flatMap(({ source, target }) => standInFor(source, target, context.below)),
  }
}

/** The host's side of a volume as written, absolute. Throws `config_invalid` for what is no volume. */
export function volumeSource(text: string, host: Pick<HostFacts, 'environment' | 'home' | 'workingDirectory'>): string {
  return resolve(host.workingDirectory, expandPath(parseVolume(text).from, host))
}

/** Where the workload has a volume, absolute. Throws as `volumeSource` does. */
export function volumeTarget(text: string, host: Pick<HostFacts, 'environment' | 'home' | 'workingDirectory'>): string {
  return resolve('/', expandPath(parseVolume(text).to, host))
}

interface Volume {
  readonly source: string
  readonly target: string
  readonly writable: boolean
}

function resolveVolume(text: string, context: VolumeContext): Volume {
  const { from, to, writable } = parseVolume(text)
  const source = resolveSource(from, context)
  const target = resolveTarget(to, context)
  if (writable) refuseSettings(source, context)
  checkMountPoint(source, target, context)
  return { source, target, writable }
}

function parseVolume(text: string): { readonly from: string; readonly to: string; readonly writable: boolean } {
  const [from, to, options = '', ...rest] = text.split(':')
  const flags = options === '' ? [] : options.split(',')
  // `z` and `Z` relabel for SELinux in Podman, and mean nothing here.
  const known = flags.every((flag) => ['ro', 'rw', 'z', 'Z'].includes(flag))
  if (!from || !to || rest.length > 0 || !known || text.includes('\0')) {
    throw new CageError('config_invalid', `volume '${text}' is not HOST:INSIDE[:ro|rw]`, {
      hint: 'Write it like `~/data:/data:ro` in container.volumes.',
    })
  }
  return { from, to, writable: !flags.includes('ro') }
}

function resolveSource(written: string, context: VolumeContext): string {
  const { container, project, host, guard } = context
  const expanded = expandPath(written, host)
  const named = resolve(host.workingDirectory, expanded)
  const source = realPath(named)
  if (source === undefined)
    throw refusal(`volume host path '${named}' does not exist`, 'Make it, or correct container.volumes.')
  refusePlanted(named, source, context)
  const home = realPath(host.home) ?? host.home
  if (!isWithin(source, home) && !isWithin(source, project)) {
    throw refusal(
      `volume host path '${named}' resolves to '${source}' which is outside the home directory ('${home}')`,
      'Mount only what lies in your home or in the project.',
    )
  }
  const finding = guard(source)
  const isAllowed = container.allow_credential_mounts.some(
    (entry) => entry === written || expandPath(entry, host) === expanded,
  )
  if (finding !== undefined && !isAllowed) throw credentialRefusal(written, source, finding)
  const own = host.ownFolders.find((folder) => isWithin(folder, source) || isWithin(source, folder))
  if (own !== undefined)
    throw refusal(`volume host path '${source}' would show agentcage's own folder '${own}'`, 'Mount another folder.')
  refuseSockets(source)
  return source
}

/** What the workload may write, it may have replaced by a link to anything of the home: the next start would show that. */
function refusePlanted(named: string, source: string, { container, host, writable }: VolumeContext): void {
  const volumes = container.volumes.filter((text) => parseVolume(text).writable).map((text) => volumeSource(text, host))
  const roots = [...writable, ...volumes.flatMap((path) => realPath(path) ?? [])].filter(
    (root) => !isWithin(source, root),
  )
  const link = linksAlong(named).find((path) => roots.some((root) => isWithin(path, root)))
  if (link === undefined) return
  throw refusal(
    `volume host path '${named}' passes the symbolic link '${link}' to '${source}', and a workload may have made that link`,
    'Look at the link; where it is right, name what it leads to.',
  )
}

/** Whoever can write the configuration of a cage can leave it. */
function refuseSettings(source: string, { settings }: VolumeContext): void {
  const held = settings.find((path) => isWithin(path, source) || isWithin(realPath(path) ?? path, source))
  if (held === undefined) return
  throw refusal(
    `volume host path '${source}' would let the workload change '${held}', which decides about the cage`,
    'Mount it read-only (:ro), or move that file elsewhere.',
  )
}

function expandPath(written: string, { environment, home }: Pick<HostFacts, 'environment' | 'home'>): string {
  const { text, unset } = expandVariables(written, (name) => environment[name])
  if (unset.length > 0) {
    throw new CageError('config_invalid', `volume '${written}' uses \${${unset[0]}}, which is unset`, {
      hint: `Set ${unset[0]} or correct container.volumes.`,
    })
  }
  return text === '~' || text.startsWith('~/') ? join(home, text.slice(1)) : text
}

function credentialRefusal(written: string, source: string, { how, credential }: CredentialFinding): CageError {
  return refusal(
    `volume host path '${source}' ${how} credentials ('~/${credential}')`,
    `Mount something narrower; if the workload must have them, add '${written}' to container.allow_credential_mounts.`,
  )
}

/** Whoever can connect to a socket is outside already: Docker's, an SSH agent's, an editor's. */
function refuseSockets(source: string): void {
  const stats = statSync(source)
  if (stats.isSocket())
    throw refusal(`volume host path '${source}' is a socket`, 'A socket leads out of the cage; mount no sockets.')
  if (!stats.isFile() && !stats.isDirectory())
    throw refusal(`volume host path '${source}' is neither a file nor a folder`, 'Mount files and folders.')
  if (!stats.isDirectory()) return
  const socket = readdirSync(source, { withFileTypes: true }).find((entry) => entry.isSocket())
  if (socket === undefined) return
  throw refusal(
    `volume host path '${source}' holds the socket '${socket.name}'`,
    'A socket leads out of the cage; mount a folder without one.',
  )
}

/** Where the cage's own arrangements are; nothing may be mounted at, over or below these. */
const TAKEN = [
  '/dev',
  '/etc',
  '/proc',
  '/run/agentcage',
  '/sys',
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/nix',
  '/gnu',
]

/** Nothing may be mounted over these as a whole. */
const WHOLE = ['/', '/home', '/root', '/opt', '/run', '/tmp', '/var', '/var/lib', '/var/cache', '/var/tmp']

function resolveTarget(written: string, { project, host, reserved }: VolumeContext): string {
  const target = normalize(written).replace(/(?<=.)\/+$/, '')
  if (!isAbsolute(written) || written.split('/').includes('..')) {
    throw new CageError('config_invalid', `volume path inside '${written}' is not an absolute path without '..'`, {
      hint: 'Write it like /data.',
    })
  }
  const taken = [...TAKEN, ...reserved].some((path) => isWithin(target, path) || isWithin(path, target))
  const covers = WHOLE.includes(target) || isWithin(host.home, target) || isWithin(project, target)
  if (taken || covers)
    throw refusal(
      `volume path inside '${target}' would replace part of the cage`,
      'Choose a path of its own, such as /data.',
    )
  return target
}

/** A mount point is made where the root or a tmpfs is, and in the project; elsewhere it must be there. */
function checkMountPoint(source: string, target: string, { below }: VolumeContext): void {
  const over = mountOver(below, target)
  if (over?.kind !== 'bind') return
  const there = statOf(target)
  if (there === undefined && over.writable && !passesLink(target)) return
  if (there === undefined || there.isSymbolicLink() || there.isDirectory() !== lstatSync(source).isDirectory()) {
    throw refusal(
      `volume path inside '${target}' cannot be a mount point for '${source}'`,
      'Choose a path of its own, such as /data.',
    )
  }
}

/** A link planted in the project must not lead the making of folders elsewhere. */
function passesLink(target: string): boolean {
  const existing = resolve(foldersToMake(target)[0] ?? target, '..')
  return realPath(existing) !== existing
}

function standInFor(source: string, target: string, below: readonly Mount[]): readonly StandIn[] {
  const over = mountOver(below, target)
  if (over?.kind !== 'bind' || statOf(target) !== undefined) return []
  const parents = foldersToMake(target)
  const last: StandIn = lstatSync(source).isDirectory()
    ? { kind: 'directory', path: target }
    : { kind: 'file', path: target, content: '' }
  return [...parents.map((path): StandIn => ({ kind: 'directory', path })), last]
}

function foldersToMake(target: string): readonly string[] {
  const missing: string[] = []
  for (let folder = resolve(target, '..'); statOf(folder) === undefined; folder = resolve(folder, '..'))
    missing.unshift(folder)
  return missing
}

function refusal(message: string, hint: string): CageError {
  return new CageError('mount_refused', message, { hint })
}
