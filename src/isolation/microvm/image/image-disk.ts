import { existsSync, statSync } from 'node:fs'
import { chmod, link, mkdir, mkdtemp, open, rename, rm, symlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { ensurePrivateFolder } from '../../../system/files.ts'
import { noteUse, removeOldDisks } from '../kept-files.ts'
import { makeFileSystem } from '../scratch-disk.ts'
import { layersOf, layoutFolder, refused, unpackArchive, unpackedLayer, type Layer } from './archive.ts'
import { examineImage, presentImages, rememberImage } from './image-source.ts'
import { readTar, type TarEntry } from './tar.ts'
import { ImageTree, type ImageFolder, type ImageNode } from './tree.ts'

/** Most bytes of all files of an image, unpacked. */
const LARGEST = 32 * 1024 ** 3
const MEBIBYTE = 1 << 20

/**
 * A disk with the files of an image, in a file of `cache` named by the image's content: made once, and kept for as long as
 * the image is there with that content, or a machine of QEMU's runs with it. Throws `config_invalid` for an image that is
 * none or reaches out of its root, `host_unsupported` without e2fsprogs.
 */
export async function imageDisk(image: string, cache: string): Promise<string> {
  const found = await examineImage(image, cache)
  const kept = join(cache, `image-${found.digest}`)
  if (existsSync(kept)) {
    await noteUse(kept)
    await rememberImage(found, cache)
    return kept
  }
  await ensurePrivateFolder(cache)
  const folder = await mkdtemp(join(cache, 'making-'))
  try {
    await makeDisk(image, folder, join(folder, 'disk'))
    await rename(join(folder, 'disk'), kept)
    await rememberImage(found, cache)
    await removeOldDisks(cache, await presentImages(cache))
    return kept
  } catch (error) {
    if (error instanceof z.ZodError || error instanceof SyntaxError) throw refused('what describes it is malformed')
    throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function makeDisk(image: string, folder: string, disk: string): Promise<void> {
  const [members, contents, root] = ['members', 'contents', 'root'].map((name) => join(folder, name))
  for (const path of [members, contents, root]) await mkdir(path as string, { mode: 0o700 })
  const files = statSync(image).isDirectory() ? layoutFolder(image) : await unpackArchive(image, members as string)
  const { tree, bytes, count } = await readLayers(await layersOf(files), contents as string)
  const names = new Map<ImageNode, string>()
  await writeFolder(tree.root, root as string, (node, path) =>
    place(node, path, { names, contents: contents as string }),
  )
  // Room for inodes, tables and a quarter of a block for each file on average, and then some.
  const mebibytes = Math.ceil((bytes * 1.1 + count * 6144) / MEBIBYTE) + 32
  await makeFileSystem(disk, mebibytes, { content: root as string })
}

interface ReadImage {
  readonly tree: ImageTree
  readonly bytes: number
  readonly count: number
}

async function readLayers(layers: readonly Layer[], contents: string): Promise<ReadImage> {
  const tree = new ImageTree()
  let bytes = 0
  let count = 0
  for (const layer of layers) {
    tree.beginLayer()
    let file: FileHandle | undefined
    try {
      for await (const part of readTar(unpackedLayer(layer))) {
        if (Buffer.isBuffer(part)) {
          bytes += part.length
          if (bytes > LARGEST) throw refused('its files are too large')
          await file?.writeFile(part)
          continue
        }
        await file?.close()
        file = undefined
        if (take(tree, part, ++count)) file = await open(join(contents, String(count)), 'wx', 0o600)
      }
    } finally {
      await file?.close()
    }
  }
  return { tree, bytes, count }
}

/** Whether the entry has content to keep. Devices and sockets are left out: a guest makes its own. */
function take(tree: ImageTree, { kind, path, target, mode, size }: TarEntry, content: number): boolean {
  if (kind === 'other' || tree.whiteout(path)) return false
  const permissions = mode & 0o777
  if (kind === 'folder') tree.folder(path, permissions)
  else if (kind === 'symlink') tree.symlink(path, target)
  else if (kind === 'hardlink') tree.hardlink(path, target)
  else tree.file(path, { mode: permissions, content, size })
  return kind === 'file'
}

type Place = (node: Exclude<ImageNode, ImageFolder>, path: string) => Promise<void>

/** Into an empty folder of ours, where nothing but this writes: no link of the image's is ever gone through. */
async function writeFolder(node: ImageFolder, path: string, put: Place): Promise<void> {
  for (const [name, entry] of node.entries) {
    const inside = join(path, name)
    if (entry.kind !== 'folder') {
      await put(entry, inside)
      continue
    }
    await mkdir(inside, { mode: 0o700 })
    await writeFolder(entry, inside, put)
    // Its owner, who is who runs this, must be able to enter and remove it.
    await chmod(inside, entry.mode | 0o700)
  }
}

async function place(
  node: Exclude<ImageNode, ImageFolder>,
  path: string,
  { names, contents }: { readonly names: Map<ImageNode, string>; readonly contents: string },
): Promise<void> {
  if (node.kind === 'symlink') return symlink(node.target, path)
  const before = names.get(node)
  if (before !== undefined) return link(before, path)
  await rename(join(contents, String(node.content)), path)
  await chmod(path, node.mode | 0o400)
  names.set(node, path)
}
