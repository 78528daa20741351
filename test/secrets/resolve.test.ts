/**
 * Values for the rules: from the store, else from the environment. Nothing starts while one is missing, and the error
 * names all that are and the commands that make them.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CageError } from '../../src/errors.ts'
import { Reach } from '../../src/secrets/reach.ts'
import { resolveSecrets } from '../../src/secrets/resolve.ts'
import { openSecretStore } from '../../src/secrets/store.ts'
import { withFolder } from '../support/temporary.ts'

const NOTHING = { cage: 'demo', store: undefined, configPath: undefined, reach: await Reach.of([]) }

const RULES = [{ env: 'STORED' }, { env: 'BOTH' }, { env: 'VARIABLE' }]

test('the store goes before the environment', async (t) => {
  const store = await openSecretStore(await withFolder(t))
  await store.set('STORED', 'from the store')
  await store.set('BOTH', 'from the store')
  const environment = { BOTH: 'from the environment', VARIABLE: 'from the environment\n' }
  const secrets = await resolveSecrets(RULES, { ...NOTHING, store, environment })
  assert.deepEqual(
    secrets.map((secret) => [secret.name, secret.reveal()]),
    [
      ['STORED', 'from the store'],
      ['BOTH', 'from the store'],
      ['VARIABLE', 'from the environment'],
    ],
  )
})

test('a source goes before both, and is the only one that is asked', async () => {
  const store = { get: () => assert.fail('the store was asked') }
  const context = { ...NOTHING, store, environment: { KEY: 'its own', OTHER: 'another' } }
  const rule = { env: 'KEY', source: { kind: 'env', name: 'OTHER' } } as const
  assert.equal((await resolveSecrets([rule], context))[0]?.reveal(), 'another')
  const absent = { env: 'KEY', source: { kind: 'env', name: 'ABSENT' } } as const
  await assert.rejects(resolveSecrets([absent], context), { code: 'secret_unavailable' })
})

test('each secret once, and without a store', async () => {
  const secrets = await resolveSecrets([{ env: 'A' }, { env: 'A' }], { ...NOTHING, environment: { A: 'a' } })
  assert.equal(secrets.length, 1)
  assert.deepEqual(await resolveSecrets([], { ...NOTHING, environment: {} }), [])
})

test('all that are missing are named, with the commands that make them', async () => {
  await assert.rejects(resolveSecrets(RULES, { ...NOTHING, environment: { BOTH: 'x', VARIABLE: '' } }), (error) => {
    assert.ok(error instanceof CageError)
    assert.equal(error.code, 'secret_missing')
    assert.equal(error.exitCode, 1)
    assert.equal(error.message, "missing secrets for cage 'demo':\n  STORED\n  VARIABLE")
    assert.equal(
      error.hint,
      [
        'Create them with:',
        '  agentcage secret set demo STORED',
        '  agentcage secret set demo VARIABLE',
        'or set them in the environment of agentcage.',
      ].join('\n'),
    )
    return true
  })
})

test('a stored secret that cannot be used is not replaced by the environment', async () => {
  const store = { get: () => Promise.reject(new CageError('state_unusable', 'planted')) }
  const attempt = resolveSecrets([{ env: 'A' }], { ...NOTHING, store, environment: { A: 'a' } })
  await assert.rejects(attempt, { code: 'state_unusable' })
})

test('a variable that cannot be used is an error; inherited properties are no variables', async () => {
  const attempt = resolveSecrets([{ env: 'A' }], { ...NOTHING, environment: { A: '\n' } })
  await assert.rejects(attempt, { code: 'secret_invalid' })
  const inherited = resolveSecrets([{ env: 'constructor' }], { ...NOTHING, environment: {} })
  await assert.rejects(inherited, { code: 'secret_missing' })
})
