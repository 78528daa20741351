/** Rules with a transform: each kind has settings of its own, checked like everything else. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stringify } from 'yaml'
import { parseConfig } from '../../src/config/load.ts'
import { configProblems } from './config-problems.ts'

function text(transform: unknown, config?: unknown): string {
  const rule = { env: 'A_KEY', inject_to: ['api.test'], transform, transform_config: config }
  return stringify({ secret_injection: [rule] })
}

function read(transform: string, config?: unknown): unknown {
  const [rule] = parseConfig(text(transform, config), 'cage.yaml').secret_injection
  return rule !== undefined && 'transform_config' in rule ? rule.transform_config : undefined
}

describe('defaults', () => {
  test('google-jwt-bearer', () => {
    assert.deepEqual(read('google-jwt-bearer', { scopes: ['https://www.googleapis.com/auth/devstorage.read_only'] }), {
      scopes: ['https://www.googleapis.com/auth/devstorage.read_only'],
      audience: {
        authority: { host: 'oauth2.googleapis.com', port: 443 },
        path: '/token',
        url: 'https://oauth2.googleapis.com/token',
      },
      mint_rate_per_hour: 60,
      refresh_margin: 300,
    })
  })

  test('aws-sigv4', () => {
    const defaults = {
      access_key_id_env: 'AWS_ACCESS_KEY_ID',
      secret_access_key_env: 'AWS_SECRET_ACCESS_KEY',
      regions: [],
      services: [],
    }
    assert.deepEqual(read('aws-sigv4'), defaults)
    assert.deepEqual(read('aws-sigv4', { services: ['s3'] }), { ...defaults, services: ['s3'] })
  })

  test('oauth2-refresh', () => {
    assert.deepEqual(read('oauth2-refresh', { token_url: 'https://login.test:8443/oauth/token?v=2' }), {
      token_url: {
        authority: { host: 'login.test', port: 8443 },
        path: '/oauth/token?v=2',
        url: 'https://login.test:8443/oauth/token?v=2',
      },
      client_auth: 'body',
      scopes: [],
      mint_rate_per_hour: 60,
      refresh_margin: 300,
    })
  })

  test('hmac', () => {
    assert.deepEqual(read('hmac', { header: 'X-Sig', algorithm: 'sha512', message: '{method}:{header:X-Nonce}' }), {
      header: 'X-Sig',
      algorithm: 'sha512',
      encoding: 'hex',
      key_encoding: 'text',
      message: [{ kind: 'method' }, { kind: 'text', text: ':' }, { kind: 'header', name: 'x-nonce' }],
      timestamp_unit: 's',
    })
  })
})

describe('what is wrong is said where it stands', () => {
  const hmac = { header: 'X-Sig', algorithm: 'sha256', message: '{body}' }
  const cases: readonly (readonly [unknown, unknown, string])[] = [
    [
      'google-jwt-barer',
      undefined,
      'transform must be "google-jwt-bearer", "aws-sigv4", "oauth2-refresh" or "hmac", not "google-jwt-barer" (did you mean "google-jwt-bearer"?)',
    ],
    [
      { type: 'hmac' },
      undefined,
      'transform must be "google-jwt-bearer", "aws-sigv4", "oauth2-refresh" or "hmac", not a mapping',
    ],
    [undefined, { scopes: ['a'] }, 'transform_config is for rules with a transform'],
    ['google-jwt-bearer', undefined, 'transform_config is missing'],
    ['google-jwt-bearer', {}, 'transform_config.scopes is missing'],
    ['google-jwt-bearer', { scopes: [] }, 'transform_config.scopes must name at least one scope'],
    ['google-jwt-bearer', { scopes: ['a b'] }, 'transform_config.scopes[0] must be a scope: printable, without spaces'],
    ...[
      'http://oauth2.googleapis.com/token',
      'https://oauth2.googleapis.com',
      'https://user@oauth2.googleapis.com/token',
      'https://oauth2.googleapis.com/token#x',
      'https://oauth2.googleapis.com\\@evil.test/token',
    ].map(
      (audience) =>
        [
          'google-jwt-bearer',
          { scopes: ['a'], audience },
          'transform_config.audience must be an https:// URL with a host and a path',
        ] as const,
    ),
    ...[
      'https://evil.test/token',
      'https://oauth2.googleapis.com.evil.test/token',
      'https://oauth2.googleapis.com/t?x',
    ].map(
      (audience) =>
        [
          'google-jwt-bearer',
          { scopes: ['a'], audience },
          'transform_config.audience must be at oauth2.googleapis.com or accounts.google.com',
        ] as const,
    ),
    [
      'google-jwt-bearer',
      { scopes: ['a'], mint_rate_per_hour: 0 },
      'transform_config.mint_rate_per_hour must be at least 1',
    ],
    [
      'google-jwt-bearer',
      { scopes: ['a'], subject: 'x' },
      'unknown key "subject" in secret_injection[0].transform_config',
    ],
    [
      'aws-sigv4',
      { region: ['x'] },
      'unknown key "region" in secret_injection[0].transform_config (did you mean "regions"?)',
    ],
    ['aws-sigv4', { access_key_id: 'short' }, 'transform_config.access_key_id must be an access key id'],
    ['oauth2-refresh', {}, 'transform_config.token_url is missing'],
    [
      'hmac',
      { ...hmac, algorithm: 'md5' },
      'transform_config.algorithm must be "sha256", "sha512" or "sha1", not "md5"',
    ],
    ['hmac', { ...hmac, header: 'X Sig' }, 'transform_config.header must be the name of a header field'],
    [
      'hmac',
      { ...hmac, message: 'a{bdy}' },
      'transform_config.message is no template: "{bdy}" at position 2 is none of {method}, {host}, {target}, {path}, {query}, {timestamp}, {body}, {header:NAME}',
    ],
    [
      'hmac',
      { ...hmac, message: '{timestamp}' },
      'transform_config.timestamp_header must be given where message has {timestamp}',
    ],
  ]
  for (const [transform, config, message] of cases) {
    test(message.slice(0, 100), () => {
      const problems = configProblems(text(transform, config))
      const expected = message.startsWith('unknown') ? message : `secret_injection[0].${message}`
      assert.deepEqual(
        problems.map(({ message: found }) => found),
        [expected],
      )
    })
  }

  test('braces that stand for themselves are no timestamp', () => {
    read('hmac', { ...hmac, message: '{{timestamp}}' })
  })
})

describe('rules that do not go together', () => {
  const aws = { env: 'AWS', inject_to: ['amazonaws.com'], transform: 'aws-sigv4' }
  const messages = (...rules: readonly object[]): readonly string[] =>
    configProblems(stringify({ secret_injection: rules })).map(({ message }) => message)

  test('two for one variable', () => {
    assert.deepEqual(messages(aws, { ...aws, env: 'OTHER' }, { env: 'B_KEY', inject_to: ['b.test'] }), [
      'secret_injection[1].transform_config.access_key_id_env "AWS_ACCESS_KEY_ID" is already a variable of secret_injection[0]',
      'secret_injection[1].transform_config.secret_access_key_env "AWS_SECRET_ACCESS_KEY" is already a variable of secret_injection[0]',
    ])
    assert.deepEqual(messages({ env: 'AWS_ACCESS_KEY_ID', inject_to: ['b.test'] }, aws), [
      'secret_injection[1].transform_config.access_key_id_env "AWS_ACCESS_KEY_ID" is already a variable of secret_injection[0]',
    ])
    assert.deepEqual(messages({ ...aws, env: 'AWS_SECRET_ACCESS_KEY' }), [])
  })

  test('places for a transform that signs', () => {
    assert.deepEqual(messages({ ...aws, inject_body: true, inject_headers: ['x-a'] }), [
      'secret_injection[0].inject_body says nothing for aws-sigv4, which signs requests',
      'secret_injection[0].inject_headers says nothing for aws-sigv4, which signs requests',
    ])
  })
})
