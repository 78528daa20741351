import { otherSource } from '../../cage/secret-status.ts'
import { reloadIfRunning } from '../../cage/lifecycle.ts'
import { CageError } from '../../errors.ts'
import { MAX_SECRET_BYTES } from '../../secrets/secret-value.ts'
import { openSecretStore } from '../../secrets/store.ts'
import { secretsFolder } from '../../system/paths.ts'
import { PromptInterrupted, readHidden } from '../hidden-input.ts'
import type { Io } from '../io.ts'
import type { SecretFlags } from '../routes/secret.ts'

/** `agentcage secret set CAGE KEY`: the value comes from a prompt or from standard input, never from the command line. */
export async function secretSet(
  { json }: SecretFlags,
  [cage, key]: readonly [string, string],
  io: Io,
): Promise<number> {
  const store = await openSecretStore(secretsFolder(cage, io.env))
  try {
    // A line break at the end is not part of the value.
    const value = await readHidden(io, `Value for ${key}`, MAX_SECRET_BYTES + 2)
    if (/^[\r\n]*$/.test(value.toString('latin1'))) throw new CageError('secret_missing', 'empty secret value')
    await store.set(key, value)
  } catch (error) {
    if (error instanceof PromptInterrupted) return 130
    throw error
  }
  const live = await reloadIfRunning(cage, io.env)
  io.stdout.write(
    json
      ? `${JSON.stringify({ cage, name: key, set: true, live })}\n`
      : `Secret '${cage}.${key}' set.${live ? ' In force.' : ''}\n`,
  )
  const other = await otherSource(cage, key, io.env)
  if (other !== undefined) io.stderr.write(`warning: ${key} comes from ${other}; the stored value is not used\n`)
  return 0
}
