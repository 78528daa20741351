import { CageError } from '../../errors.ts'
import { openSecretStore } from '../../secrets/store.ts'
import { secretsFolder } from '../../system/paths.ts'
import type { Io } from '../io.ts'
import type { SecretFlags } from '../routes/secret.ts'

/** `agentcage secret rm CAGE KEY`. */
export async function secretRm({ json }: SecretFlags, [cage, key]: readonly [string, string], io: Io): Promise<number> {
  const store = await openSecretStore(secretsFolder(cage, io.env))
  if (!(await store.remove(key))) {
    throw new CageError('secret_missing', `secret '${cage}.${key}' does not exist`, {
      hint: `agentcage secret list ${cage} shows those that do.`,
    })
  }
  io.stdout.write(
    json ? `${JSON.stringify({ cage, name: key, removed: true })}\n` : `Secret '${cage}.${key}' removed.\n`,
  )
  return 0
}
