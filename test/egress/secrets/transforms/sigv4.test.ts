/**
 * AWS Signature Version 4: signatures that AWS publishes are verified as they are, nothing that differs from what was
 * signed is, and what is signed anew is what anybody who follows the specification would have signed.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { AwsKeys } from '../../../../src/egress/secrets/transforms/aws-keys.ts'
import { readClaim } from '../../../../src/egress/secrets/transforms/sigv4-claim.ts'
import { signAnew } from '../../../../src/egress/secrets/transforms/sigv4-sign.ts'
import { verifyClaim, type AwsRequest } from '../../../../src/egress/secrets/transforms/sigv4-verify.ts'
import { TransformRefused } from '../../../../src/egress/secrets/transforms/refusal.ts'
import { verifySignature } from './sigv4-oracle.ts'
import { asArrived, inHeader, inQuery, plus, valueOf, withValue, without } from './sigv4-requests.ts'
import { S3_EXAMPLES, S3_KEYS, S3_NOW } from './sigv4-s3-examples.ts'
import { VECTOR_KEYS, VECTOR_TIME, VECTORS, type SigningVector } from './sigv4-vectors.ts'

const NOW = new Date('2015-08-30T12:36:00Z')
const REAL: AwsKeys = {
  accessKeyId: 'AKIAREALREALREALREAL',
  secretAccessKey: 'real/secret+access/key+of/forty/characters',
  sessionToken: undefined,
  expiresAt: undefined,
}

describe('signatures that AWS publishes', () => {
  for (const vector of VECTORS) {
    test(`${vector.name}, in Authorization`, () => verifies(inHeader(vector)))
    test(`${vector.name}, in the URL`, () => verifies(inQuery(vector)))
  }

  for (const [name, request] of Object.entries(S3_EXAMPLES)) {
    test(`${name}, of the documentation of S3`, () => {
      const claim = readClaim(request)
      assert.ok(claim !== undefined)
      verifyClaim(request, claim, { secretAccessKey: S3_KEYS.secretAccessKey, now: S3_NOW })
    })
  }
})

describe('what is signed anew', () => {
  for (const sessionToken of [undefined, 'a/session+token==']) {
    for (const vector of VECTORS) {
      for (const request of [inHeader(vector), inQuery(vector)]) {
        test(`${vector.name}, ${request.target.includes('X-Amz') ? 'URL' : 'header'}, token: ${sessionToken}`, () => {
          const keys = { ...REAL, sessionToken }
          const signed = signAnew(request, { claim: verified(request), keys, now: NOW })
          const { accessKeyId, sessionToken: sent } = verifySignature(asArrived(signed), keys)
          assert.deepEqual([accessKeyId, sent], [REAL.accessKeyId, sessionToken])
          assert.doesNotMatch(`${signed.target}\0${signed.headers.join('\0')}`, /AKIDEXAMPLE/)
        })
      }
    }
  }

  test('a presigned URL counts for a minute from when it is used', () => {
    const [vector] = VECTORS as [SigningVector]
    const request = inQuery(vector)
    const now = new Date(NOW.getTime() + 600_000)
    const claim = readClaim(request)
    assert.ok(claim !== undefined)
    const verifiedLater = verifyClaim(request, claim, { secretAccessKey: VECTOR_KEYS.secretAccessKey, now })
    const { target } = signAnew(request, { claim: verifiedLater, keys: REAL, now })
    assert.equal(new URL(target, 'https://x').searchParams.get('X-Amz-Expires'), '660')
  })

  test('a body that another secret was filled into has its own hash', () => {
    const request = inHeader(VECTORS.at(-1) as SigningVector)
    const changed = { ...request, body: Buffer.from('Param1=another value') }
    const signed = signAnew(changed, { claim: verified(request), keys: REAL, now: NOW })
    assert.equal(verifySignature(asArrived(signed), REAL).accessKeyId, REAL.accessKeyId)
  })

  test('credentials that have expired sign nothing', () => {
    const request = inHeader(VECTORS[0] as SigningVector)
    const keys = { ...REAL, expiresAt: NOW.getTime() }
    assert.throws(() => signAnew(request, { claim: verified(request), keys, now: NOW }), { kind: 'source' })
  })
})

describe('what is not what was signed is refused', () => {
  const base = inHeader(vectorNamed('get-header-value-order'))
  const presigned = inQuery(vectorNamed('get-vanilla-query'))
  const posted = inHeader(vectorNamed('post-x-www-form-urlencoded'))
  const cases: readonly (readonly [string, AwsRequest, RegExp])[] = [
    ['another method', { ...base, method: 'DELETE' }, /not that of this request/],
    ['another path', { ...base, target: '/x' }, /not that of this request/],
    ['another query', { ...base, target: '/?acl' }, /not that of this request/],
    ['another value of a signed header', withValue(base, 'My-Header1', 'changed'), /not that of this request/],
    ['a signed header that is gone', without(base, 'my-header1'), /my-header1 is not in the request/],
    ['another host', withValue(base, 'Host', 'other.amazonaws.com'), /not that of this request/],
    ['an x-amz header that is not signed', plus(base, 'X-Amz-Acl', 'public-read'), /x-amz-acl is not signed/],
    ['another date', withValue(base, 'X-Amz-Date', '20150830T123601Z'), /not that of this request/],
    ['a date of another day', withValue(base, 'X-Amz-Date', '20150831T000000Z'), /do not agree/],
    ['a date that is none', withValue(base, 'X-Amz-Date', '20150830T999999Z'), /not now/],
    ['no date', without(base, 'x-amz-date'), /one X-Amz-Date/],
    ['two dates', plus(base, 'X-Amz-Date', VECTOR_TIME), /one X-Amz-Date/],
    ['another body', { ...posted, body: Buffer.from('Param1=value2') }, /not the SHA-256 of the body/],
    [
      'an unsigned body without TLS',
      { ...withValue(posted, 'x-amz-content-sha256', 'UNSIGNED-PAYLOAD'), scheme: 'http' },
      /without TLS/,
    ],
    [
      'events',
      withValue(posted, 'x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-EVENTS'),
      /way of signing that is supported/,
    ],
    ['two hashes', plus(posted, 'x-amz-content-sha256', 'UNSIGNED-PAYLOAD'), /given twice/],
    ['two signatures', plus(base, 'Authorization', valueOf(base, 'authorization')), /one signature/],
    [
      'a signature in both places',
      { ...presigned, headers: [...presigned.headers, 'Authorization', valueOf(base, 'authorization')] },
      /one signature/,
    ],
    ['a parameter given twice', { ...presigned, target: `${presigned.target}&X-Amz-Expires=1` }, /given twice/],
    [
      'a malformed escape',
      { ...presigned, target: presigned.target.replace('/?', '/?a=%4&') },
      /the URL has a malformed escape/,
    ],
    [
      'a week and a second',
      { ...presigned, target: presigned.target.replace('=3600', '=604801') },
      /not within a week/,
    ],
    ...(
      [
        ['AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256', /must be AWS4-HMAC-SHA256/],
        ['AWS4-HMAC-SHA256', 'aws4-hmac-sha256', /must be AWS4-HMAC-SHA256/],
        ['aws4_request', 'aws5_request', /credential is malformed/],
        ['us-east-1', 'us/east-1', /credential is malformed/],
        ['host;my-header1', 'my-header1', /host is not signed/],
        ['host;my-header1', 'my-header1;host', /not sorted/],
        ['host;my-header1', 'host;host;my-header1', /not sorted/],
        ['Signature=', 'Signature=A', /64 hex digits/],
        ['SignedHeaders', 'Signedheaders', /host is not signed|malformed|64 hex/],
        [', Signature', ', x=y, Signature', /malformed/],
      ] as const
    ).map(
      ([from, to, reason]) =>
        [
          `${from} as ${to}`,
          withValue(base, 'Authorization', valueOf(base, 'authorization').replace(from, to)),
          reason,
        ] as const,
    ),
  ]
  for (const [name, request, message] of cases) {
    test(name, () => assert.throws(() => verified(request), { name: 'TransformRefused', kind: 'request', message }))
  }

  test('a signature that is older than a quarter of an hour, or made later than that', () => {
    for (const minutes of [-16, 16]) {
      const now = new Date(NOW.getTime() + minutes * 60_000)
      assert.throws(() => verified(base, now), /not now/)
    }
  })

  test('a URL that has expired', () => {
    verified(presigned, new Date(NOW.getTime() + 3_600_000))
    assert.throws(() => verified(presigned, new Date(NOW.getTime() + 3_601_000)), /expired/)
  })

  test('a request without a signature has no claim', () => {
    assert.equal(readClaim({ target: '/?X-Amz-Date=1', headers: ['Authorization', 'Bearer x'] }), undefined)
  })

  test('any text as Authorization or as query is read or refused, nothing else', () => {
    const field = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom(',', '=', '/', ';', ' ', 'AWS4', 'Credential', 'Signature', '049') }),
    )
    fc.assert(
      fc.property(field, field, (value, query) => {
        try {
          readClaim({
            target: `/?X-Amz-Algorithm=AWS4-HMAC-SHA256&${encodeURI(query.replace(/[\ud800-\udfff]/g, ''))}`,
            headers: ['Authorization', `AWS4-HMAC-SHA256 ${value}`, 'X-Amz-Date', VECTOR_TIME],
          })
        } catch (error) {
          assert.ok(error instanceof TransformRefused, String(error))
        }
      }),
    )
  })
})

function vectorNamed(name: string): SigningVector {
  const vector = VECTORS.find((candidate) => candidate.name === name)
  assert.ok(vector !== undefined)
  return vector
}

function verifies(request: AwsRequest): void {
  assert.equal(verified(request).accessKeyId, VECTOR_KEYS.accessKeyId)
}

function verified(request: AwsRequest, now = NOW): ReturnType<typeof verifyClaim> {
  const claim = readClaim(request)
  assert.ok(claim !== undefined)
  return verifyClaim(request, claim, { secretAccessKey: VECTOR_KEYS.secretAccessKey, now })
}
