/**
 * Values for the rules: from the store, else from the environment. Nothing starts while one is missing, and the error
 * names all that are and the commands that make them.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CageError } from '../../src/errors.ts'
import { resolveSecrets } from '../../src/secrets/resolve.ts'
import { openSecretStore } from '../../src/secrets/store.ts'
import { withFolder } from '../support/temporary.ts'

const RULES = [{ env: 'STORED' }, { env: 'BOTH' }, { env: 'VARIABLE' }]

test('the store goes before the environment', async (t) => {
  const store = await openSecretStore(await withFolder(t))
  await store.set('STORED', 'from the store')
  await store.set('BOTH', 'from the store')
  const environment = { BOTH: 'from the environment', VARIABLE: 'from the environment\n' }
  const secrets = await resolveSecrets(RULES, { cage: 'demo', store, environment })
  assert.deepEqual(
    secrets.map((secret) => [secret.name, secret.reveal()]),
    [
      ['STORED', 'from the store'],
      ['BOTH', 'from the store'],
      ['VARIABLE', 'from the environment'],
    ],
  )
})

test('each secret once, and without a store', async () => {
  const secrets = await resolveSecrets([{ env: 'A' }, { env: 'A' }], {
    cage: 'demo',
    store: undefined,
    environment: { A: 'a' },
  })
  assert.equal(secrets.length, 1)
  assert.deepEqual(await resolveSecrets([], { cage: 'demo', store: undefined, environment: {} }), [])
})

test('all that are missing are named, with the commands that make them', async () => {
  await assert.rejects(
    resolveSecrets(RULES, { cage: 'demo', store: undefined, environment: { BOTH: 'x', VARIABLE: '' } }),
    (error) => {
      assert.ok(error instanceof CageError)
      assert.equal(error.code, 'secret_missing')
      assert.equal(error.exitCode, 1)
      assert.equal(error.message, "missing secrets for cage 'demo':\n  STORED\n  VARIABLE")
      assert.equal(
        error.hint,
        'Set them in the environment of agentcage, or give them with -s NAME=VALUE to `agentcage run`.',
      )
      return true
    },
  )
})

test('a stored secret that cannot be used is not replaced by the environment', async () => {
  const store = { get: () => Promise.reject(new CageError('state_unusable', 'planted')) }
  const attempt = resolveSecrets([{ env: 'A' }], { cage: 'demo', store, environment: { A: 'a' } })
  await assert.rejects(attempt, { code: 'state_unusable' })
})

test('a variable that cannot be used is an error; inherited properties are no variables', async () => {
  const attempt = resolveSecrets([{ env: 'A' }], { cage: 'demo', store: undefined, environment: { A: '\n' } })
  await assert.rejects(attempt, { code: 'secret_invalid' })
  const inherited = resolveSecrets([{ env: 'constructor' }], { cage: 'demo', store: undefined, environment: {} })
  await assert.rejects(inherited, { code: 'secret_missing' })
})
