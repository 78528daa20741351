import type { Config } from '../config/schema.ts'
import { decoyKeys } from '../egress/secrets/transforms/aws-keys.ts'
import type { Secret } from '../secrets/secret.ts'
import { placeholdersOf } from './secrets.ts'

/**
 * What the workload holds in place of secrets, by environment variable: the placeholder of each rule, or for `aws-sigv4`
 * keys that sign and open nothing. `values` are for placeholders that look like them.
 */
export async function secretVariables(
  config: Pick<Config, 'secret_injection'>,
  stateFolder: string,
  values?: readonly Secret[],
): Promise<Readonly<Record<string, string>>> {
  const placeholders = await placeholdersOf(config, stateFolder, values)
  const variables = config.secret_injection.flatMap((rule): (readonly [string, string])[] => {
    const placeholder = placeholders.get(rule.env)
    if (placeholder === undefined) return []
    if (rule.transform !== 'aws-sigv4') return [[rule.env, placeholder]]
    const { accessKeyId, secretAccessKey } = decoyKeys(placeholder)
    const { access_key_id_env: id, secret_access_key_env: secret } = rule.transform_config
    return [
      [id, accessKeyId],
      [secret, secretAccessKey],
    ]
  })
  return Object.fromEntries(variables)
}
