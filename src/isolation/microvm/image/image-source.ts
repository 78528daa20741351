import { createHash } from 'node:crypto'
import { createReadStream, existsSync, statSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { CageError } from '../../../errors.ts'
import { ensurePrivateFolder, isErrno, readOwnFile, UnsafePathError, writeFileAtomic } from '../../../system/files.ts'
import { refused } from './archive.ts'

/** What is known of an image that was hashed: a file of its own in the cache, named by the image's path. */
const known = z.strictObject({ path: z.string(), version: z.string(), digest: z.string().regex(/^[0-9a-f]{64}$/) })
export type KnownImage = z.infer<typeof known>

const PREFIX = 'source-'
const MAX_FILE = 16_384
/** A file that was changed less long ago may change again at what the file system takes for the same time. */
const SETTLED_NANOSECONDS = 2_000_000_000n

/**
 * An image as it is now: `digest` is the SHA-256 of what its content hangs on. An archive is read whole only when it is
 * another file than before, by inode, size and times; the time of its last change is the kernel's to set, not its owner's.
 */
export async function examineImage(image: string, cache: string): Promise<KnownImage> {
  const content = contentOf(image)
  const version = versionOf(content)
  const before = await readKnown(join(cache, fileName(image)))
  if (before?.path === image && version !== '' && before.version === version) return before
  const hash = createHash('sha256')
  for await (const bytes of createReadStream(content)) hash.update(bytes as Buffer)
  const settled = versionOf(content) === version ? version : ''
  return { path: image, version: settled, digest: hash.digest('hex') }
}

/** For the next start with it, and for `presentImages`. */
export async function rememberImage(image: KnownImage, cache: string): Promise<void> {
  await ensurePrivateFolder(cache)
  await writeFileAtomic(join(cache, fileName(image.path)), JSON.stringify(image), { mode: 0o600 })
}

/** Digests of images that are still where they were. What is known of others is forgotten. */
export async function presentImages(cache: string): Promise<ReadonlySet<string>> {
  const digests = new Set<string>()
  for (const name of (await readdir(cache)).filter((entry) => entry.startsWith(PREFIX))) {
    const image = await readKnown(join(cache, name))
    if (image !== undefined && existsSync(image.path)) digests.add(image.digest)
    else await rm(join(cache, name), { force: true })
  }
  return digests
}

/** The archive, or of a layout its index, which names all else by its digest. */
function contentOf(image: string): string {
  const stats = statSync(image, { throwIfNoEntry: false })
  if (stats === undefined) throw new CageError('config_invalid', `microvm.image: there is no ${image}`)
  const content = stats.isDirectory() ? join(image, 'index.json') : image
  if (!existsSync(content)) throw refused('it is neither an OCI layout nor an archive of one')
  return content
}

/** Another one for another content; empty: it was changed just now. */
function versionOf(path: string): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
  const isSettled = ctimeNs + SETTLED_NANOSECONDS < BigInt(Date.now()) * 1_000_000n
  return isSettled ? [dev, ino, size, mtimeNs, ctimeNs].join(':') : ''
}

function fileName(image: string): string {
  return `${PREFIX}${createHash('sha256').update(image).digest('hex')}`
}

/** undefined: nothing, or nothing of ours, so that the image is read. */
async function readKnown(path: string): Promise<KnownImage | undefined> {
  try {
    const text = (await readOwnFile(path, { maxBytes: MAX_FILE, others: 'nothing' })).toString()
    return known.parse(JSON.parse(text))
  } catch (error) {
    const isUseless = error instanceof z.ZodError || error instanceof SyntaxError || error instanceof UnsafePathError
    if (isUseless || isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}
