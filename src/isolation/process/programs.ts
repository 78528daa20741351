import { accessSync, closeSync, constants, openSync, readSync, readlinkSync, statSync } from 'node:fs'
import { basename, delimiter, dirname, isAbsolute, join, resolve } from 'node:path'
import type { Mount } from '../isolation.ts'
import type { CredentialGuard } from './credentials.ts'
import { isShown } from './filesystem.ts'
import type { HostFacts } from './host.ts'
import { installation } from './installations.ts'
import { isWithin, realPath, statOf } from './paths.ts'

export interface ProgramContext {
  readonly host: HostFacts
  readonly guard: CredentialGuard
  readonly project: string
  /** Where the command starts, as relative names go. */
  readonly workingDirectory: string
  /** What is shown without looking at programs: the system and the project. */
  readonly shown: readonly Mount[]
}

export interface Programs {
  readonly mounts: readonly Mount[]
  /** `PATH` inside: the host's entries that exist there, in their order. */
  readonly path: string
}

/** Where programs are when the host's PATH names nothing. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Places that anybody may write to, and other systems' disks (WSL): their programs stay outside. */
const UNTRUSTED = ['/tmp', '/var/tmp', '/dev', '/proc', '/sys', '/mnt', '/media']

/**
 * Shows the programs that lie in the hidden home or other hidden places, read-only and as little as will do:
 * for each entry of PATH its folder, or the installation it belongs to; for the command all it takes to start it.
 */
export function findPrograms([command]: readonly [string, ...string[]], context: ProgramContext): Programs {
  const shelf = new Shelf(context)
  const entries = (context.host.environment['PATH'] ?? DEFAULT_PATH)
    .split(delimiter)
    .filter((entry) => isAbsolute(entry))
  const path = [...new Set(entries.map((entry) => resolve(entry)))].filter((entry) => shelf.showFolder(entry))
  const search = [...path, ...runtimeFolder(context.host, path)]
  const found = locate(command, context.workingDirectory, search)
  // A command that is not there is reported by the cage itself, with the status that shells have for it.
  if (found === undefined) return { mounts: shelf.mounts, path: path.join(delimiter) }
  const used = [...shelf.showProgram(found, search)].map((file) => dirname(file))
  const extra = search.filter((folder) => !path.includes(folder) && used.includes(folder))
  return { mounts: shelf.mounts, path: [...path, ...extra].join(delimiter) }
}

/** Node is there whenever agentcage runs: it serves where PATH has none. */
function runtimeFolder({ runtime }: HostFacts, path: readonly string[]): readonly string[] {
  return locate('node', '/', path) === undefined && basename(runtime) === 'node' ? [dirname(runtime)] : []
}

function locate(command: string, workingDirectory: string, path: readonly string[]): string | undefined {
  const candidates = command.includes('/')
    ? [resolve(workingDirectory, command)]
    : path.map((folder) => join(folder, command))
  return candidates.find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** What has been shown so far. */
class Shelf {
  readonly #context: ProgramContext
  readonly #mounts = new Map<string, Mount>()

  constructor(context: ProgramContext) {
    this.#context = context
  }

  /** Outer before inner, and nothing twice. */
  get mounts(): readonly Mount[] {
    const sorted = [...this.#mounts.values()].toSorted((a, b) => a.target.length - b.target.length)
    return sorted.filter(
      ({ target }) =>
        !sorted.some((other) => other.target !== target && isWithin(target, other.target) && other.kind === 'bind'),
    )
  }

  /** Shows an entry of PATH; false when it cannot or must not be. */
  showFolder(entry: string): boolean {
    const real = realPath(entry)
    if (real === undefined || statOf(real)?.isDirectory() !== true) return false
    if (this.#isVisible(entry, real)) return true
    if (!this.#isTrusted(real) || !this.#isHarmless(real)) return false
    for (const folder of installation(real, this.#context.host)) this.#showIfHarmless(folder)
    this.#show(real)
    if (entry !== real) this.#show(real, entry)
    return true
  }

  /** Shows a program with the links that lead to it and its interpreter; yields the files used. */
  *showProgram(path: string, search: readonly string[], depth = 0): Generator<string> {
    if (depth > 4) return
    yield path
    const real = this.#showLinks(path)
    for (const folder of installation(dirname(real), this.#context.host, real)) this.#showIfHarmless(folder)
    if (!this.#isVisible(real, real)) this.#show(real)
    const interpreter = interpreterOf(real)
    const next = interpreter === undefined ? undefined : locate(interpreter, '/', search)
    if (next !== undefined) yield* this.showProgram(next, search, depth + 1)
  }

  /** Follows a chain of links; one that is hidden is shown by binding the program where it lies. */
  #showLinks(path: string): string {
    const real = realPath(path) ?? path
    let current = path
    for (let hops = 0; hops < 40 && statOf(current)?.isSymbolicLink() === true; hops++) {
      if (!this.#isVisible(current, realPath(dirname(current)) ?? '')) this.#show(real, current)
      current = resolve(dirname(current), readlinkSync(current))
    }
    return real
  }

  #show(source: string, target = source): void {
    this.#mounts.set(target, { kind: 'bind', source, target, writable: false })
  }

  #showIfHarmless(folder: string): void {
    if (this.#isHarmless(folder) && !this.#isVisible(folder, folder)) this.#show(folder)
  }

  /** Whether the workload sees `path` already, and there what the host has: `real`, the path without links, is shown. */
  #isVisible(path: string, real: string): boolean {
    const mounts = [...this.#context.shown, ...this.mounts]
    if (!isShown(mounts, real)) return false
    return (
      isShown(mounts, path) ||
      this.#context.shown.some((mount) => mount.kind === 'symlink' && isWithin(path, mount.target))
    )
  }

  #isTrusted(folder: string): boolean {
    const { home } = this.#context.host
    return isWithin(folder, realPath(home) ?? home) || !UNTRUSTED.some((place) => isWithin(folder, place))
  }

  #isHarmless(folder: string): boolean {
    const { host, project, guard } = this.#context
    const home = realPath(host.home) ?? host.home
    if (isWithin(home, folder) || isWithin(project, folder)) return false
    if (host.ownFolders.some((own) => isWithin(own, folder) || isWithin(folder, own))) return false
    return guard(folder) === undefined
  }
}

/** What a script's first line runs: the interpreter, or what `env` looks up for it. */
function interpreterOf(path: string): string | undefined {
  const line = firstLine(path)
  if (line === undefined) return undefined
  const [interpreter, ...rest] = line.trim().split(/[ \t]+/)
  if (interpreter === undefined || basename(interpreter) !== 'env') return interpreter
  return rest.find((word) => !word.startsWith('-') && !word.includes('='))
}

function firstLine(path: string): string | undefined {
  const start = Buffer.alloc(256)
  try {
    const file = openSync(path, 'r')
    try {
      const length = readSync(file, start, 0, start.length, 0)
      const text = start.toString('latin1', 0, length)
      return text.startsWith('#!') ? text.slice(2).split('\n')[0] : undefined
    } finally {
      closeSync(file)
    }
  } catch {
    return undefined
  }
}
