import { realpath } from 'node:fs/promises'
import type { SecretSource } from '../config/schema-secret-source.ts'
import { readOwnFile } from '../system/files.ts'
import { usable } from './private-state.ts'
import { MAX_SECRET_BYTES, parseSecret } from './secret-value.ts'
import type { Secret } from './secret.ts'
import { unavailable } from './source-problem.ts'

const ABSENT: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR'])

/**
 * The value in a file of this user's, or of root's, that nobody else can read. Symbolic links are followed: secrets that
 * are renewed are often put in place by one (Kubernetes, sops-nix). Throws CageError `state_unusable` for other files.
 */
export async function readSecretFile(
  name: string,
  { source, path }: { readonly source: SecretSource; readonly path: string },
): Promise<Secret> {
  const real = await realpath(path).catch((error: NodeJS.ErrnoException) =>
    unavailable(
      name,
      source,
      ABSENT.has(error.code) ? `there is no file ${path}` : `cannot use ${path}: ${error.message}`,
    ),
  )
  // Two bytes more: a line break at the end is not part of the value.
  const limits = { maxBytes: MAX_SECRET_BYTES + 2, others: 'nothing', rootToo: true } as const
  return parseSecret(name, await usable(path, () => readOwnFile(real, limits)))
}
