/**
 * Bodies in signed chunks: those that the documentation of S3 shows are verified and signed anew, whatever differs from
 * what was signed is refused.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { signChunks } from '../../../../src/egress/secrets/transforms/sigv4-chunks.ts'
import { readClaim } from '../../../../src/egress/secrets/transforms/sigv4-claim.ts'
import { signAnew } from '../../../../src/egress/secrets/transforms/sigv4-sign.ts'
import { EMPTY_SHA256, scopeText, sha256, sign } from '../../../../src/egress/secrets/transforms/sigv4-signature.ts'
import { verifyClaim, type AwsRequest } from '../../../../src/egress/secrets/transforms/sigv4-verify.ts'
import { verifySignature } from './sigv4-oracle.ts'
import { asArrived } from './sigv4-requests.ts'
import { S3_CHUNKED, S3_KEYS, S3_NOW, S3_TRAILER } from './sigv4-s3-examples.ts'

const REAL = {
  accessKeyId: 'AKIAREALREALREALREAL',
  secretAccessKey: 'real/secret+access/key+of/forty/characters',
  sessionToken: 'session',
  expiresAt: undefined,
}

for (const [name, request] of [
  ['chunks', S3_CHUNKED],
  ['chunks and a trailer', S3_TRAILER],
] as const) {
  describe(name, () => {
    test('the oracle of these tests takes the example', () => {
      assert.equal(verifySignature(asArrived(request), S3_KEYS).content.toString(), 'a'.repeat(66_560))
    })

    test('they are signed anew', () => {
      const signed = resign(request)
      const { content, sessionToken } = verifySignature(asArrived(signed), REAL)
      assert.equal(content.toString(), 'a'.repeat(66_560))
      assert.equal(sessionToken, 'session')
      assert.equal(signed.body.length, request.body.length)
    })

    const changes: Readonly<Record<string, (body: string) => string>> = {
      'other data': (body) => body.replace('aaa', 'aab'),
      'another signature of a chunk': (body) => body.replace(/chunk-signature=./, 'chunk-signature=0'),
      'another signature at the end': (body) =>
        `${body.slice(0, -90)}${body.slice(-90).replace(/[0-9a-f]{64}/, '0'.repeat(64))}`,
      'another size': (body) => body.replace('400;', '3ff;'),
      'a size beyond the end': (body) => body.replace('400;', 'fffffff;'),
      'no size': (body) => body.slice(5),
      'a chunk without its line end': (body) => body.replace('a\r\n', 'a\n\r'),
      'a cut': (body) => body.slice(0, -1),
      'more at the end': (body) => `${body}x`,
      nothing: () => '',
      'no last chunk': (body) => body.slice(0, body.lastIndexOf('0;chunk-signature')),
    }
    for (const [what, change] of Object.entries(changes)) {
      test(`${what} is refused`, () => {
        const changed = change(request.body.toString('latin1'))
        assert.notEqual(changed, request.body.toString('latin1'))
        assert.throws(() => resign({ ...request, body: Buffer.from(changed, 'latin1') }), {
          name: 'TransformRefused',
          message: /^the body in signed chunks cannot be used: /,
        })
      })
    }
  })
}

test('another trailer is refused', () => {
  const body = Buffer.from(S3_TRAILER.body.toString('latin1').replace('sOO8', 'sOO9'), 'latin1')
  assert.throws(() => resign({ ...S3_TRAILER, body }), /another signature/)
})

test('a body of single bytes, each signed validly, holds up nobody: it is refused at the second', () => {
  const signing = { time: '20130524T000000Z', scope: { date: '20130524', region: 'us-east-1', service: 's3' } }
  const signer = { key: Buffer.alloc(32, 1), signing, seed: '0'.repeat(64) }
  const body = (chunks: readonly string[]): Buffer => {
    let previous = signer.seed
    const signed = [...chunks, ''].map((chunk) => {
      const lines = ['AWS4-HMAC-SHA256-PAYLOAD', signing.time, scopeText(signing.scope), previous]
      previous = sign(signer.key, [...lines, EMPTY_SHA256, sha256(chunk)])
      return `${chunk.length.toString(16)};chunk-signature=${previous}\r\n${chunk}\r\n`
    })
    return Buffer.from(signed.join(''))
  }
  const check = (chunks: readonly string[]): Buffer =>
    signChunks(body(chunks), 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { decoy: signer, real: signer })
  for (const chunks of [[], ['x'], ['x'.repeat(8192), 'x']]) assert.deepEqual(check(chunks), body(chunks))
  assert.throws(() => check(['x', 'y']), /shorter than 8 KiB/)
  assert.throws(() => check(['x', 'y'.repeat(8192)]), /shorter than 8 KiB/)
})

function resign(request: AwsRequest): AwsRequest {
  const claim = readClaim(request)
  assert.ok(claim !== undefined)
  const verified = verifyClaim(request, claim, { secretAccessKey: S3_KEYS.secretAccessKey, now: S3_NOW })
  return signAnew(request, { claim: verified, keys: REAL, now: S3_NOW })
}
