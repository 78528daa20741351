import { join } from 'node:path'
import { FolderHandle } from './folder-handle.ts'
import { DiskError, DiskLimitError } from './disk-error.ts'
import type { DiskNode, DiskReader, FolderContent } from './ext4.ts'
import { reasonToLeaveOut } from './left-out.ts'
import { DEEPEST, fingerprint, MOST_ENTRIES, namesByFolder, nodeAt, type Memory } from './memory.ts'
import { staysInside, type Place } from './places.ts'

/** What became of a guest's changes. */
export interface HandBackReport {
  /** What was not taken over, by path in the guest, and why. */
  readonly kept: readonly { readonly path: string; readonly reason: string }[]
  /** Whether some of that was left out because it cannot be read or written here, so that only the disk has it. */
  readonly needsDisk: boolean
}

export interface HandBackOptions {
  readonly places: readonly Place[]
  /** Paths in places that are not theirs: masks, what is read-only, other places. */
  readonly stops: ReadonlySet<string>
  readonly memory: Memory
  /** Most bytes of all files that are written. */
  readonly mostBytes: number
}

/** The guest's version of what the host has changed too lies beside the host's. */
const BESIDE = '.from-guest'

/**
 * Takes over into the host's places what a guest changed on its disk. What the guest did not touch stays as it is; what the
 * host changed meanwhile does too. Files are replaced in one step. No link is ever gone through, neither the guest's nor the
 * host's. What cannot be read or written is left out. Throws DiskError for a disk that no kernel leaves behind, and
 * `workload_failed` when the host has no more room; what was taken over until then stays.
 */
export async function handBack(disk: DiskReader, options: HandBackOptions): Promise<HandBackReport> {
  const merge = new Merge(disk, options)
  for (const place of options.places) await merge.place(place)
  return merge.report()
}

class Merge {
  readonly #disk: DiskReader
  readonly #options: HandBackOptions
  readonly #kept: { readonly path: string; readonly reason: string }[] = []
  /** No folder is in two places, so that none is in itself. */
  readonly #folders = new Set<number>()
  /** Names that are known to have been in a folder, by its path. */
  readonly #names: ReadonlyMap<string, readonly string[]>
  #needsDisk = false
  #bytes = 0
  #entries = 0

  constructor(disk: DiskReader, options: HandBackOptions) {
    this.#disk = disk
    this.#options = options
    this.#names = namesByFolder(options.memory.disk.keys())
  }

  report(): HandBackReport {
    return { kept: this.#kept, needsDisk: this.#needsDisk }
  }

  place(place: Place): Promise<void> {
    return this.#orLeaveOut(place.target, () => this.#place(place))
  }

  async #place(place: Place): Promise<void> {
    const known = this.#options.memory.disk.get(place.target)
    if (known?.kind !== 'folder') return this.#placeOfFile(place)
    const node = await nodeAt(this.#disk, place.target)
    if (node?.kind !== 'folder') return this.#keep(place.target, 'the guest removed it')
    await using folder = await FolderHandle.open(place.source)
    await this.#folder({ place, folder, path: place.target, depth: 0 }, node)
  }

  /** Of a single file only the content is taken over. */
  async #placeOfFile(place: Place): Promise<void> {
    const node = await nodeAt(this.#disk, place.target)
    const known = this.#options.memory.disk.get(place.target)
    if (known === undefined || node?.version === known.version) return
    if (node?.kind !== 'file') return this.#keep(place.target, 'the guest removed it')
    await using folder = await FolderHandle.open(join(place.source, '..'))
    const name = place.source.slice(place.source.lastIndexOf('/') + 1)
    await this.#file({ place, folder, path: place.target, depth: 0 }, { name, path: place.target, node })
  }

  async #folder(at: Position, node: DiskNode): Promise<void> {
    const { entries, notUtf8 } = await this.#content(node, at.depth)
    for (const name of notUtf8) this.#leaveOut(join(at.path, name), 'its name is not in UTF-8')
    for (const name of this.#names.get(at.path) ?? []) {
      const path = join(at.path, name)
      if (!entries.has(name) && !this.#options.stops.has(path))
        await this.#orLeaveOut(path, () => this.#remove(at.folder, name, path))
    }
    for (const [name, entry] of entries) {
      const path = join(at.path, name)
      if (!this.#options.stops.has(path))
        await this.#orLeaveOut(path, () => this.#entry(at, { name, path, node: entry }))
    }
  }

  /** Any process in the guest can make folders that are too deep or too full; one that is in itself, no kernel makes. */
  async #content(node: DiskNode, depth: number): Promise<FolderContent> {
    if (this.#folders.has(node.inode)) throw new DiskError('a folder is in itself')
    this.#folders.add(node.inode)
    const content = await this.#disk.entries(node)
    const size = content.entries.size + content.notUtf8.size
    if (size > 0 && depth >= DEEPEST) throw new DiskLimitError('what is in it is too deep')
    if (this.#entries + size > MOST_ENTRIES) throw new DiskLimitError('there are too many files')
    this.#entries += size
    return content
  }

  async #orLeaveOut(path: string, take: () => Promise<void>): Promise<void> {
    try {
      await take()
    } catch (error) {
      this.#leaveOut(path, reasonToLeaveOut(path, error))
    }
  }

  async #entry(at: Position, entry: Entry): Promise<void> {
    const { path, node } = entry
    const isUntouched = this.#options.memory.disk.get(path)?.version === node.version
    switch (node.kind) {
      case 'folder':
        return this.#subfolder(at, entry)
      case 'file':
        return isUntouched ? undefined : this.#file(at, entry)
      case 'symlink':
        return isUntouched ? undefined : this.#link(at, entry)
      case 'other':
        return isUntouched ? undefined : this.#keep(path, 'it is neither file, folder nor link')
    }
  }

  async #subfolder(at: Position, { name, path, node }: Entry): Promise<void> {
    const { folder } = at
    const stats = await folder.stat(name)
    if (stats !== undefined && !stats.isDirectory()) {
      if (!(await this.#isUntouchedOnHost(folder, name, path))) return this.#keep(path, 'the host changed it meanwhile')
      await folder.remove(name)
    }
    if (stats?.isDirectory() !== true) {
      const isKnown = this.#options.memory.disk.get(path)?.kind === 'folder'
      if (isKnown && stats === undefined) {
        if (await this.#hasChanges(node, path, at.depth + 1)) this.#keep(path, 'the host removed it meanwhile')
        return
      }
      await folder.makeFolder(name, node.mode & 0o777)
    }
    await using inside = await folder.enter(name)
    await this.#folder({ ...at, folder: inside, path, depth: at.depth + 1 }, node)
  }

  async #file({ folder }: Position, { name, path, node }: Entry): Promise<void> {
    if ((node.mode & 0o6000) !== 0) return this.#keep(path, 'it has a set-user-id or set-group-id bit')
    this.#bytes += node.size
    if (this.#bytes > this.#options.mostBytes) {
      this.#bytes -= node.size
      return this.#keep(path, 'it is too large')
    }
    const free = await this.#freeName(folder, name, path)
    if (free === undefined) return
    await folder.replace(free, { mode: node.mode & 0o777, modified: node.modified, content: this.#disk.content(node) })
  }

  async #link({ place, folder }: Position, { name, path, node }: Entry): Promise<void> {
    const to = await this.#disk.linkTarget(node)
    if (!staysInside(place, path, to)) return this.#keep(path, 'it is a link that leads elsewhere')
    const free = await this.#freeName(folder, name, path)
    if (free === undefined) return
    await folder.link(free, to)
  }

  /** The name that the guest's version gets; undefined: there is none. */
  async #freeName(folder: FolderHandle, name: string, path: string): Promise<string | undefined> {
    if (await this.#isUntouchedOnHost(folder, name, path)) {
      const stats = await folder.stat(name)
      if (stats?.isDirectory() !== true) return name
      await this.#remove(folder, name, path)
      return (await folder.stat(name)) === undefined ? name : undefined
    }
    const beside = `${name}${BESIDE}`
    const isFree = Buffer.byteLength(beside) <= 255 && (await folder.stat(beside)) === undefined
    this.#keep(path, `the host changed it meanwhile${isFree ? `; the guest’s lies beside it (${BESIDE})` : ''}`)
    return isFree ? beside : undefined
  }

  /** Removes what the guest removed, as far as the host left it alone. */
  async #remove(folder: FolderHandle, name: string, path: string): Promise<void> {
    const stats = await folder.stat(name)
    if (stats === undefined) return
    if (!(await this.#isUntouchedOnHost(folder, name, path))) return this.#keep(path, 'the host changed it meanwhile')
    if (!stats.isDirectory()) return folder.remove(name)
    {
      await using inside = await folder.enter(name)
      for (const each of this.#names.get(path) ?? []) {
        const below = join(path, each)
        if (!this.#options.stops.has(below)) await this.#remove(inside, each, below)
      }
    }
    if (!(await folder.removeFolder(name))) this.#keep(path, 'the host has more in it')
  }

  async #isUntouchedOnHost(folder: FolderHandle, name: string, path: string): Promise<boolean> {
    const stats = await folder.stat(name)
    const before = this.#options.memory.host.get(path)
    return stats === undefined ? before === undefined : fingerprint(stats) === before
  }

  async #hasChanges(node: DiskNode, path: string, depth: number): Promise<boolean> {
    const { memory, stops } = this.#options
    if (memory.disk.get(path)?.version !== node.version) return true
    if (node.kind !== 'folder') return false
    const { entries, notUtf8 } = await this.#content(node, depth)
    if (notUtf8.size > 0) return true
    for (const [name, entry] of entries) {
      const inside = join(path, name)
      if (!stops.has(inside) && (await this.#hasChanges(entry, inside, depth + 1))) return true
    }
    return false
  }

  #leaveOut(path: string, reason: string): void {
    this.#needsDisk = true
    this.#keep(path, reason)
  }

  #keep(path: string, reason: string): void {
    this.#kept.push({ path, reason })
  }
}

interface Position {
  readonly place: Place
  readonly folder: FolderHandle
  /** In the guest. */
  readonly path: string
  readonly depth: number
}

interface Entry {
  readonly name: string
  readonly path: string
  readonly node: DiskNode
}
