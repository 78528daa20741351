import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CageError } from '../../errors.ts'
import {
  checkPrivateFolder,
  isErrno,
  readOwnFile,
  syncFolder,
  UnsafePathError,
  writeNewFile,
} from '../../system/files.ts'

/** An authority as it lies on the disk: two PEM files. */
export interface StoredAuthority {
  readonly keyPem: string
  readonly certificatePem: string
}

export const KEY_FILE = 'ca-key.pem'
export const CERTIFICATE_FILE = 'ca.pem'

const MAX_FILE = 65_536

/**
 * The authority in `folder`, made by `make` if the folder is absent or empty. Nothing but absence leads to a new
 * one: an authority that could not be read is still the one the workload trusts. Two processes that create at
 * once end up with the same.
 */
export async function loadOrCreate(folder: string, make: () => StoredAuthority): Promise<StoredAuthority> {
  try {
    const stored = await load(folder)
    if (stored !== undefined) return stored
    await createUnlessThere(folder, make())
    return await loadExisting(folder)
  } catch (error) {
    throw unusable(folder, error)
  }
}

async function loadExisting(folder: string): Promise<StoredAuthority> {
  const stored = await load(folder)
  if (stored !== undefined) return stored
  throw new CageError('ca_unusable', `${folder} holds other files, but no certificate authority`, {
    hint: 'Name a folder that is absent or empty.',
  })
}

async function load(folder: string): Promise<StoredAuthority | undefined> {
  if ((await unlessAbsent(checkPrivateFolder(folder).then(() => true))) === undefined) return undefined
  let keyPem = await readKey(folder)
  const certificatePem = await readCertificate(folder)
  // Both appear in one step, so whoever sees the certificate can see the key, even if it was absent a moment ago.
  if (keyPem === undefined && certificatePem !== undefined) keyPem = await readKey(folder)
  if (keyPem === undefined && certificatePem === undefined) return undefined
  if (keyPem !== undefined && certificatePem !== undefined) return { keyPem, certificatePem }
  const [there, missing] = keyPem === undefined ? [CERTIFICATE_FILE, KEY_FILE] : [KEY_FILE, CERTIFICATE_FILE]
  throw new CageError('ca_unusable', `${join(folder, there)} is there, but ${missing} is missing`, {
    hint: `Restore ${missing} from a backup. ${STARTING_OVER}`,
  })
}

/** Puts a new authority in place in one step, or leaves the folder alone if somebody else was there first. */
async function createUnlessThere(folder: string, authority: StoredAuthority): Promise<void> {
  const parent = dirname(folder)
  await mkdir(parent, { recursive: true, mode: 0o700 })
  const draft = await mkdtemp(`${folder}.new-`)
  try {
    await writeNewFile(join(draft, KEY_FILE), authority.keyPem, { mode: 0o600 })
    await writeNewFile(join(draft, CERTIFICATE_FILE), authority.certificatePem, { mode: 0o644 })
    await syncFolder(draft)
    // rename(2) replaces an empty folder and refuses any other.
    await rename(draft, folder)
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    if (isErrno(error, 'ENOTEMPTY') || isErrno(error, 'EEXIST')) return
    throw error
  }
  await syncFolder(parent)
}

async function readKey(folder: string): Promise<string | undefined> {
  const path = join(folder, KEY_FILE)
  return (await unlessAbsent(readOwnFile(path, { maxBytes: MAX_FILE, others: 'nothing' })))?.toString('latin1')
}

async function readCertificate(folder: string): Promise<string | undefined> {
  const path = join(folder, CERTIFICATE_FILE)
  return (await unlessAbsent(readOwnFile(path, { maxBytes: MAX_FILE, others: 'read' })))?.toString('latin1')
}

async function unlessAbsent<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

export const STARTING_OVER =
  'To start over with a new authority, remove the folder; whatever trusts the old certificate must then get the new one.'

function unusable(folder: string, error: unknown): CageError {
  if (error instanceof CageError) return error
  if (error instanceof UnsafePathError)
    return new CageError('ca_unusable', error.message, { hint: error.mend, cause: error })
  const reason = error instanceof Error ? error.message : String(error)
  return new CageError('ca_unusable', `the certificate authority in ${folder} cannot be used: ${reason}`, {
    hint: 'Check the folder and its permissions; nothing was changed.',
    cause: error,
  })
}
