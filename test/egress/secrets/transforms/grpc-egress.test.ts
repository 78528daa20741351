/** Transforms and gRPC: tokens come into metadata; what signs a whole request cannot sign a stream, and says so. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import grpc from '@grpc/grpc-js'
import { startBed } from '../../bed.ts'
import { callUnary, capturedClient, playGrpc } from '../../http/grpc-service.ts'

const PLACEHOLDER = 'agentcage:secret:LOGIN:00112233445566778899aabbccddeeff'
const TOKEN = 'access-token-for-a-stream'

test('a token in metadata; no signature', async (t) => {
  const bed = await startBed(t, {
    hosts: {
      'login.test': (_request, response) => void response.end(JSON.stringify({ access_token: TOKEN })),
      'grpc.test': {},
    },
    transparent: [443],
    config: {
      secret_injection: [
        {
          env: 'LOGIN',
          placeholder: PLACEHOLDER,
          inject_to: ['grpc.test'],
          transform: 'oauth2-refresh',
          transform_config: { token_url: 'https://login.test/token' },
        },
        {
          env: 'SIGNING_KEY',
          inject_to: ['grpc.test'],
          placeholder: PLACEHOLDER.replace('LOGIN', 'SIGNING_KEY'),
          transform: 'hmac',
          transform_config: { header: 'x-sign', algorithm: 'sha256', message: '{path}' },
        },
      ],
    },
    secrets: { LOGIN: 'the-refresh-token', SIGNING_KEY: 'the-signing-key' },
  })
  const server = await playGrpc(t, bed)
  await bed.reload({})
  const echo = capturedClient(t, bed)
  const metadata = new grpc.Metadata()
  metadata.set('authorization', `Bearer ${PLACEHOLDER}`)
  const { error } = await callUnary(echo, 'hello', metadata)
  assert.equal(error, null)
  assert.deepEqual(server.metadata[0]?.get('authorization'), [`Bearer ${TOKEN}`])

  const signed = new grpc.Metadata()
  signed.set('x-sign', PLACEHOLDER.replace('LOGIN', 'SIGNING_KEY'))
  const refused = await callUnary(echo, 'hello', signed)
  assert.notEqual(refused.error, null)
  const record = await bed.record(({ code }) => code === 'secret_unusable')
  assert.equal(record.reason, 'a request whose body is still to come cannot be signed')
  assert.equal(server.calls.length, 1)
})
