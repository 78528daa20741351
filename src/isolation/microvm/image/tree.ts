import { CageError } from '../../../errors.ts'

/** What lies at a path of an image. Content of files is kept elsewhere, by number. */
export type ImageNode =
  | { readonly kind: 'folder'; mode: number; readonly entries: Map<string, ImageNode> }
  | { readonly kind: 'file'; readonly mode: number; readonly content: number; readonly size: number }
  | { readonly kind: 'symlink'; readonly target: string }

export type ImageFolder = Extract<ImageNode, { kind: 'folder' }>

const LONGEST_PATH = 4096
const LONGEST_NAME = 255
const MOST_NODES = 1_000_000
const WHITEOUT = '.wh.'
const OPAQUE = '.wh..wh..opq'

/**
 * The files of an image as its layers make them, one after another (OCI image specification, layer.md). Nothing is written
 * and no link is followed: a path through a link, or through a file, is refused. Names that no file can have are refused too.
 */
export class ImageTree {
  readonly root: ImageFolder = folder()
  #nodes = 0
  /** What the present layer made: its opaque marks do not hide that. */
  #fresh = new Set<ImageNode>()

  beginLayer(): void {
    this.#fresh = new Set()
  }

  folder(path: string, mode: number): void {
    const parts = partsOf(path)
    const last = parts.pop()
    if (last === undefined) return void (this.root.mode = mode)
    const parent = this.#folderAt(parts, path)
    const there = parent.entries.get(last)
    if (there?.kind === 'folder') {
      there.mode = mode
      this.#fresh.add(there)
    } else this.#put(parent, last, folder(mode))
  }

  file(path: string, node: Omit<Extract<ImageNode, { kind: 'file' }>, 'kind'>): void {
    const [parent, last] = this.#place(path)
    this.#put(parent, last, { kind: 'file', ...node })
  }

  symlink(path: string, target: string): void {
    if (target === '' || target.includes('\0') || target.length >= LONGEST_PATH) throw refused(path, 'leads nowhere')
    const [parent, last] = this.#place(path)
    this.#put(parent, last, { kind: 'symlink', target })
  }

  /** Another name of a file that is there. */
  hardlink(path: string, target: string): void {
    const parts = partsOf(target)
    const name = parts.pop()
    const node = name === undefined ? undefined : this.#lookUp(parts)?.entries.get(name)
    if (node === undefined || node.kind === 'folder') throw refused(path, 'is a link to what is no file of the image')
    const [parent, last] = this.#place(path)
    this.#put(parent, last, node)
  }

  /** Removes what the name of a whiteout says; false: it is no whiteout. */
  whiteout(path: string): boolean {
    const parts = partsOf(path)
    const last = parts.pop() ?? ''
    if (!last.startsWith(WHITEOUT)) return false
    const parent = this.#lookUp(parts)
    if (last === OPAQUE) {
      if (parent !== undefined) this.#hideLower(parent)
      return true
    }
    const hidden = last.slice(WHITEOUT.length)
    if (hidden === '' || hidden === '.' || hidden === '..' || hidden.startsWith(WHITEOUT))
      throw refused(path, 'hides nothing')
    parent?.entries.delete(hidden)
    return true
  }

  #hideLower({ entries }: ImageFolder): void {
    for (const [name, node] of entries) {
      if (!this.#fresh.has(node)) entries.delete(name)
      else if (node.kind === 'folder') this.#hideLower(node)
    }
  }

  #place(path: string): readonly [ImageFolder, string] {
    const parts = partsOf(path)
    const last = parts.pop()
    if (last === undefined) throw refused(path, 'is the root and no folder')
    return [this.#folderAt(parts, path), last]
  }

  #lookUp(parts: readonly string[]): ImageFolder | undefined {
    let at: ImageNode | undefined = this.root
    for (const part of parts) at = at?.kind === 'folder' ? at.entries.get(part) : undefined
    return at?.kind === 'folder' ? at : undefined
  }

  #folderAt(parts: readonly string[], path: string): ImageFolder {
    let at = this.root
    for (const part of parts) {
      const next = at.entries.get(part) ?? this.#put(at, part, folder())
      if (next.kind !== 'folder') throw refused(path, `goes through ${JSON.stringify(part)}, which is no folder`)
      this.#fresh.add(next)
      at = next
    }
    return at
  }

  #put(parent: ImageFolder, name: string, node: ImageNode): ImageNode {
    if (++this.#nodes > MOST_NODES) throw new CageError('config_invalid', `the image has more than ${MOST_NODES} files`)
    parent.entries.set(name, node)
    this.#fresh.add(node)
    return node
  }
}

/** The names of a path from the root, however it is written. Throws for one that leaves it. */
function partsOf(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  const isName = (part: string): boolean => part !== '..' && Buffer.byteLength(part) <= LONGEST_NAME
  if (path.includes('\0') || path.length >= LONGEST_PATH || !parts.every(isName))
    throw refused(path, 'is no path in an image')
  return parts
}

function folder(mode = 0o755): ImageFolder {
  return { kind: 'folder', mode, entries: new Map() }
}

function refused(path: string, reason: string): CageError {
  return new CageError('config_invalid', `${JSON.stringify(path.slice(0, 200))} in the image ${reason}`)
}
