import { hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { CageError } from '../errors.ts'

/** No configuration is larger. */
export const MOST_CONFIG_BYTES = 1_048_576

/**
 * The bytes of a file, and of one that is larger than allowed one byte too many: a device or a pipe has no size to ask
 * for. Throws `config_unreadable`.
 */
export async function readConfigBytes(path: string): Promise<Buffer> {
  try {
    const chunks: Buffer[] = []
    for await (const chunk of createReadStream(path, { end: MOST_CONFIG_BYTES })) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  } catch (cause) {
    throw new CageError('config_unreadable', `cannot read ${path}: ${reason(cause)}`, { cause })
  }
}

/** What says which configuration is in force. */
export function configDigest(content: string | Uint8Array): string {
  return hash('sha256', content, 'hex')
}

function reason(cause: unknown): string {
  const code = (cause as NodeJS.ErrnoException).code
  if (code === 'ENOENT') return 'no such file'
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied'
  if (code === 'EISDIR') return 'it is a folder'
  return cause instanceof Error ? cause.message : String(cause)
}
