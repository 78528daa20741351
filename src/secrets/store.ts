import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ensurePrivateFolder, syncFolder, writeFileAtomic } from '../system/files.ts'
import { isPrivateFolder, readPrivateFile, usable } from './private-state.ts'
import { checkSecretName, isSecretName, MAX_SECRET_BYTES, parseSecret } from './secret-value.ts'
import type { Secret } from './secret.ts'

/** A line break that a file staged by hand may have on top of the largest value. */
const MAX_FILE_BYTES = MAX_SECRET_BYTES + 2

/**
 * Where a cage's secrets are kept: a folder 0700 with a file 0600 for each, named like the secret, holding its value.
 * Whatever others could have read or planted (links, owners, permissions) is an error, CageError `state_unusable`.
 */
export interface SecretStore {
  /** Undefined when there is none by this name. CageError `secret_invalid` when the file holds no usable value. */
  get(name: string): Promise<Secret | undefined>
  /** Makes or replaces; whoever reads meanwhile gets the old value or the new. CageError `secret_invalid`. */
  set(name: string, value: string | Buffer): Promise<void>
  /** Whether there was one. */
  remove(name: string): Promise<boolean>
  /** Names, sorted. */
  list(): Promise<readonly string[]>
}

/** Opens the store in `folder`, which `set` makes when it is not there yet. */
export async function openSecretStore(folder: string): Promise<SecretStore> {
  await isPrivateFolder(folder)
  return {
    async get(name) {
      checkSecretName(name)
      if (!(await isPrivateFolder(folder))) return undefined
      const content = await readPrivateFile(join(folder, name), MAX_FILE_BYTES)
      return content === undefined ? undefined : parseSecret(name, content)
    },

    async set(name, value) {
      const secret = parseSecret(name, value)
      const path = join(folder, name)
      await usable(folder, () => ensurePrivateFolder(folder))
      await usable(path, () => writeFileAtomic(path, secret.reveal(), { mode: 0o600 }))
    },

    async remove(name) {
      checkSecretName(name)
      if (!(await names(folder)).includes(name)) return false
      await usable(join(folder, name), () => rm(join(folder, name)))
      await usable(folder, () => syncFolder(folder))
      return true
    },

    list: () => names(folder),
  }
}

/** Other files, such as those of a write that was cut off, are no secrets. */
async function names(folder: string): Promise<readonly string[]> {
  if (!(await isPrivateFolder(folder))) return []
  const entries = await usable(folder, () => readdir(folder))
  return entries.filter(isSecretName).toSorted()
}
