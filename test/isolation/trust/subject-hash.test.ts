import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { subjectHash } from '../../../src/isolation/trust/subject-hash.ts'
import { missingTools } from '../../support/requires.ts'

/*
 * The hash under which OpenSSL looks an authority up must be the one that OpenSSL itself computes, and certificates
 * that are cut or garbled must end in an error rather than in a hash or a hang.
 */

test('all authorities that Node brings hash as OpenSSL hashes them', { skip: missingTools('openssl') }, () => {
  for (const pem of rootCertificates.filter((_, index) => index % 8 === 0)) {
    const { stdout } = spawnSync('openssl', ['x509', '-noout', '-subject_hash'], { input: pem, encoding: 'utf8' })
    assert.equal(subjectHash(new X509Certificate(pem).raw), stdout.trim(), pem)
  }
})

test('cut or garbled certificates are errors', () => {
  const raw = new X509Certificate(rootCertificates[0] ?? '').raw
  fc.assert(
    fc.property(fc.nat(raw.length - 1), fc.nat(255), (at, value) => {
      const garbled = Buffer.from(raw)
      garbled[at] = value
      assertHashOrError(garbled)
      assertHashOrError(raw.subarray(0, at))
    }),
  )
})

function assertHashOrError(bytes: Buffer): void {
  try {
    assert.match(subjectHash(bytes), /^[0-9a-f]{8}$/)
  } catch (error) {
    assert.ok(error instanceof RangeError, String(error))
  }
}
