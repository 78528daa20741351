/** What the workload finds in its environment in place of secrets. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { secretVariables } from '../../src/cage/secret-variables.ts'
import { configSchema } from '../../src/config/schema.ts'
import { decoyKeys } from '../../src/egress/secrets/transforms/aws-keys.ts'
import { withFolder } from '../support/temporary.ts'

test('placeholders, and for aws-sigv4 decoy keys in the variables that clients read', async (t) => {
  const placeholder = 'agentcage:secret:AWS:00112233445566778899aabbccddeeff'
  const aws = { env: 'AWS', placeholder, inject_to: ['amazonaws.com'], transform: 'aws-sigv4' }
  const minio = {
    ...aws,
    env: 'MINIO',
    placeholder: placeholder.replace('AWS', 'MINIO'),
    transform_config: { access_key_id_env: 'MINIO_ID', secret_access_key_env: 'MINIO' },
  }
  const plain = { env: 'API_KEY', placeholder: 'a-placeholder-of-mine', inject_to: ['api.test'] }
  const config = configSchema.parse({ secret_injection: [aws, minio, plain] })
  const [one, other] = [decoyKeys(aws.placeholder), decoyKeys(minio.placeholder)]
  assert.deepEqual(await secretVariables(config, await withFolder(t)), {
    AWS_ACCESS_KEY_ID: one.accessKeyId,
    AWS_SECRET_ACCESS_KEY: one.secretAccessKey,
    MINIO_ID: other.accessKeyId,
    MINIO: other.secretAccessKey,
    API_KEY: 'a-placeholder-of-mine',
  })
})
