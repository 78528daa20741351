/**
 * Rules with a transform, one configuration after the other: tokens go on counting for rules that stay the same, and what
 * was made for those that do not stays secret, also when an exchange under way has it made later.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configSchema } from '../../../../src/config/schema.ts'
import { bindSecrets, type ProtectedValue, type SecretBinding } from '../../../../src/egress/secrets/binding.ts'
import type { Ask } from '../../../../src/egress/secrets/transforms/minter.ts'
import { Transforms } from '../../../../src/egress/secrets/transforms/transforms.ts'
import type { Placeholder } from '../../../../src/secrets/placeholders.ts'
import { Secret } from '../../../../src/secrets/secret.ts'

const NOW = (): Date => new Date('2026-01-01T00:00:00Z')
const PLACEHOLDER = 'agentcage:secret:LOGIN:00112233445566778899aabbccddeeff' as Placeholder

function bindings(refreshToken: string, config: object = {}): readonly SecretBinding[] {
  const { secret_injection: rules } = configSchema.parse({
    secret_injection: [
      {
        env: 'LOGIN',
        inject_to: ['api.test'],
        transform: 'oauth2-refresh',
        transform_config: { token_url: 'https://login.test/token', ...config },
      },
    ],
  })
  return bindSecrets(rules, [new Secret('LOGIN', refreshToken)], new Map([['LOGIN', PLACEHOLDER]]))
}

/** Gives numbered tokens. */
class Endpoint {
  asked = 0
  readonly ask: Ask = async ({ form }) => {
    this.asked += 1
    await Promise.resolve()
    return {
      accessToken: `access-${this.asked}-for-${form['refresh_token']}`,
      expiresIn: 3600,
      refreshToken: undefined,
      idToken: undefined,
      scope: undefined,
    }
  }
}

class Guardian {
  readonly values: string[] = []

  protect({ value }: ProtectedValue): void {
    if (!this.values.includes(value.reveal())) this.values.push(value.reveal())
  }
}

async function tokenOf(transforms: Transforms, { ask }: Endpoint): Promise<string | undefined> {
  return (await transforms.tokens(['LOGIN'], ask)).get('LOGIN')?.reveal()
}

test('a token goes on counting for a rule that stays the same, and is protected before it is given', async () => {
  const [endpoint, guardian, next] = [new Endpoint(), new Guardian(), new Guardian()]
  const first = new Transforms(bindings('refresh-token-1'), NOW)
  first.guardWith([guardian])
  assert.equal(await tokenOf(first, endpoint), 'access-1-for-refresh-token-1')
  assert.deepEqual(guardian.values, ['refresh-token-1', 'access-1-for-refresh-token-1'])
  const second = new Transforms(bindings('refresh-token-1'), NOW, first)
  second.guardWith([next, guardian])
  assert.equal(await tokenOf(second, endpoint), 'access-1-for-refresh-token-1')
  assert.deepEqual(next.values, guardian.values)
})

test('another value or other settings get other tokens', async () => {
  const endpoint = new Endpoint()
  const first = new Transforms(bindings('refresh-token-1'), NOW)
  await tokenOf(first, endpoint)
  const second = new Transforms(bindings('refresh-token-2'), NOW, first)
  assert.equal(await tokenOf(second, endpoint), 'access-2-for-refresh-token-2')
  const third = new Transforms(bindings('refresh-token-2', { scopes: ['read'] }), NOW, second)
  assert.equal(await tokenOf(third, endpoint), 'access-3-for-refresh-token-2')
})

test('a token that an exchange under way has made for the rules of before is protected all the same', async () => {
  const [endpoint, guardian] = [new Endpoint(), new Guardian()]
  const first = new Transforms(bindings('refresh-token-1'), NOW)
  const second = new Transforms(bindings('refresh-token-2'), NOW, first)
  second.guardWith([guardian])
  await tokenOf(first, endpoint)
  assert.ok(guardian.values.includes('access-1-for-refresh-token-1'))
  assert.ok(guardian.values.includes('refresh-token-1'))
})
