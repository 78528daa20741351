import { createHash } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import { extname, sep } from 'node:path'
import { isUtf8 } from 'node:buffer'
import type { Config } from '../../../config/schema.ts'
import { CageError } from '../../../errors.ts'
import { pathFrom } from '../../../system/paths.ts'

/** Where inspectors may lie, as absolute paths. What does not exist holds none. */
export interface InspectorFolders {
  /** What paths are relative to: the folder of the configuration. */
  readonly base: string
  readonly allowed: readonly string[]
  /** What the workload sees, or can write. */
  readonly forbidden: readonly string[]
}

/** No inspectors of one's own. */
export const NO_FOLDERS: InspectorFolders = { base: '/', allowed: [], forbidden: [] }

/** An inspector as it was read, once: this text is what runs, whatever becomes of the file. */
export interface InspectorProgram {
  readonly name: string
  /** With links resolved. */
  readonly path: string
  readonly source: string
  /** Of the file, lower-case hex. */
  readonly sha256: string
  readonly config: Readonly<Record<string, unknown>>
  /** Milliseconds for one look. */
  readonly timeout: number
}

type Entry = Config['inspectors'][number]

/** Bytes. A program written by hand is nowhere near. */
export const MAX_FILE = 1_048_576

const EXTENSIONS: ReadonlySet<string> = new Set(['.ts', '.mts', '.js', '.mjs'])

/** Finds and reads the file of an entry. Throws CageError `config_invalid` when it may not be used. */
export async function readProgram(entry: Entry, folders: InspectorFolders): Promise<InspectorProgram> {
  const { name, path: written = '', config, timeout_ms: timeout } = entry
  const path = await realpath(pathFrom(folders.base, written)).catch((cause: unknown) => {
    throw refusal(name, `${written} cannot be read: ${reasonOf(cause)}`, { cause })
  })
  await refuseForeign(name, { written, path }, folders)
  if (!EXTENSIONS.has(extname(path)))
    throw refusal(name, `${written} is neither TypeScript nor JavaScript`, {
      hint: 'Name a file that ends in .ts, .mts, .js or .mjs.',
    })
  const bytes = await read(name, path)
  if (!isUtf8(bytes)) throw refusal(name, `${written} is not UTF-8 text`)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { name, path, source: bytes.toString(), sha256, config, timeout }
}

/** What decides about the workload must not be of its making. */
async function refuseForeign(
  name: string,
  { written, path }: { readonly written: string; readonly path: string },
  folders: InspectorFolders,
): Promise<void> {
  const forbidden = (await resolved(folders.forbidden)).find((folder) => isBelow(path, folder))
  if (forbidden !== undefined)
    throw refusal(
      name,
      `custom inspector path ${written} (resolved: ${path}) lies in ${forbidden}, which the workload can reach`,
      {
        hint: 'Move it to the folder `inspectors` beside the configurations of agentcage, ~/.config/agentcage/inspectors.',
      },
    )
  const allowed = await resolved(folders.allowed)
  if (allowed.some((folder) => isBelow(path, folder))) return
  throw refusal(
    name,
    `custom inspector path ${written} (resolved: ${path}) is outside allowed directories: [${folders.allowed.join(', ')}]`,
    { hint: 'Move it there, or name its folder in AGENTCAGE_INSPECTOR_DIRS.' },
  )
}

async function resolved(folders: readonly string[]): Promise<readonly string[]> {
  const real = await Promise.all(folders.map((folder) => realpath(folder).catch(() => undefined)))
  return real.filter((folder) => folder !== undefined)
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`)
}

async function read(name: string, path: string): Promise<Buffer> {
  try {
    // O_NONBLOCK: opening a named pipe must not wait for a writer.
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const stats = await file.stat()
    const problem = problemOf(stats)
    if (problem !== undefined) throw refusal(name, `${path} ${problem}`)
    const bytes = Buffer.alloc(MAX_FILE + 1)
    let length = 0
    for (let count = 1; count > 0 && length < bytes.length; length += count)
      count = (await file.read(bytes, length, bytes.length - length)).bytesRead
    if (length > MAX_FILE) throw refusal(name, `${path} is larger than ${MAX_FILE} bytes`)
    return bytes.subarray(0, length)
  } catch (cause) {
    if (cause instanceof CageError) throw cause
    throw refusal(name, `${path} cannot be read: ${reasonOf(cause)}`, { cause })
  }
}

/** Whoever can change it decides what leaves. */
function problemOf(stats: Stats): string | undefined {
  if (!stats.isFile()) return 'is not a plain file'
  // Where each user has a group of their own, of the same number, files are made writable for it.
  const others = stats.gid === stats.uid ? 0o002 : 0o022
  if ((stats.mode & others) !== 0) return 'can be written by others than its owner'
  const user = process.geteuid?.()
  return user === undefined || stats.uid === user || stats.uid === 0 ? undefined : `belongs to user ${stats.uid}`
}

function refusal(
  name: string,
  message: string,
  options: { readonly hint?: string; readonly cause?: unknown } = {},
): CageError {
  return new CageError('config_invalid', `inspectors: ${name}: ${message}`, options)
}

function reasonOf(cause: unknown): string {
  return (cause as NodeJS.ErrnoException).code ?? String(cause)
}
