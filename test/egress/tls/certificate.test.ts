/**
 * Certificates are rendered byte for byte as their golden files say, and readers that are not ours agree with what
 * was meant: OpenSSL (through Node, and its own strict verifier where it is installed) and @peculiar/x509.
 */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import '../../support/reflect-metadata.ts'
import * as peculiar from '@peculiar/x509'
import * as fc from 'fast-check'
import {
  renderCertificate,
  renderCertificateBody,
  toPem,
  type CertificateFields,
  type CertificateUsage,
} from '../../../src/egress/tls/certificate.ts'
import { makeKeyPair } from '../../../src/egress/tls/key-pair.ts'
import { parseHostname } from '../../../src/policy/host.ts'
import { run } from '../../support/command.ts'
import { assertGolden } from '../../support/golden.ts'
import { missingTools } from '../../support/requires.ts'
import { withFolder } from '../../support/temporary.ts'

const authorityKeys = makeKeyPair()
const leafKeys = makeKeyPair()
const LONG = `${'a'.repeat(60)}.${'b'.repeat(60)}.test`

const golden: Readonly<Record<string, Partial<CertificateFields>>> = {
  authority: { subject: 'agentcage CA (demo) 0badcafe', usage: { kind: 'authority' } },
  'leaf-name': { subject: 'api.example.com', usage: server('api.example.com') },
  'leaf-long-name': { subject: '', usage: server(LONG) },
  'leaf-ipv4': { subject: '192.0.2.7', usage: server('192.0.2.7') },
  'leaf-ipv6': { subject: '2001:db8::1:0:7', usage: server('2001:db8::1:0:7') },
  'leaf-after-2050': { notAfter: new Date('2051-02-03T04:05:06Z'), usage: server('late.test') },
}

for (const [name, fields] of Object.entries(golden)) {
  test(`renders ${name} as its golden file says`, () => {
    const body = renderCertificateBody({ ...GOLDEN_FIELDS, ...fields })
    const lines = body.toString('hex').match(/.{1,64}/g) ?? []
    assertGolden(join(import.meta.dirname, 'golden', `${name}.hex`), `${lines.join('\n')}\n`)
  })
}

test('an authority is one, and for leaves only', () => {
  const certificate = parse(makeAuthority())
  assert.equal(certificate.ca, true)
  assert.ok(certificate.verify(certificate.publicKey))
  const other = new peculiar.X509Certificate(makeAuthority())
  const constraints = other.getExtension(peculiar.BasicConstraintsExtension)
  assert.deepEqual([constraints?.critical, constraints?.ca, constraints?.pathLength], [true, true, 0])
  const usage = other.getExtension(peculiar.KeyUsagesExtension)
  assert.equal(usage?.critical, true)
  assert.equal(usage?.usages, peculiar.KeyUsageFlags.keyCertSign | peculiar.KeyUsageFlags.cRLSign)
})

test('a leaf serves its host, signs nothing, and names its issuer by name and key', () => {
  const der = makeLeaf('api.example.com')
  const certificate = parse(der)
  const authority = parse(makeAuthority())
  assert.equal(certificate.ca, false)
  assert.ok(certificate.checkIssued(authority))
  assert.ok(certificate.verify(authority.publicKey))
  assert.equal(certificate.checkHost('api.example.com'), 'api.example.com')
  assert.equal(certificate.checkHost('example.com'), undefined)
  assert.equal(certificate.checkHost('x.api.example.com'), undefined)
  assert.equal(certificate.subjectAltName, 'DNS:api.example.com')
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1'])

  const other = new peculiar.X509Certificate(der)
  const usage = other.getExtension(peculiar.KeyUsagesExtension)
  assert.deepEqual([usage?.critical, usage?.usages], [true, peculiar.KeyUsageFlags.digitalSignature])
  const issuerKey = other.getExtension(peculiar.AuthorityKeyIdentifierExtension)?.keyId
  const authorityKey = new peculiar.X509Certificate(makeAuthority()).getExtension(
    peculiar.SubjectKeyIdentifierExtension,
  )?.keyId
  assert.equal(issuerKey, authorityKey)
})

test('the alternative name is critical exactly when the subject is empty (RFC 5280 section 4.2.1.6)', () => {
  const critical = (der: Buffer) =>
    new peculiar.X509Certificate(der).getExtension(peculiar.SubjectAlternativeNameExtension)?.critical
  assert.equal(critical(makeLeaf('api.example.com')), false)
  assert.equal(critical(makeLeaf(LONG)), true)
  assert.equal(parse(makeLeaf(LONG)).checkHost(LONG, { subject: 'never' }), LONG)
})

test('any address stands in a leaf as that address', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const host = parseHostname(text)
      assert.ok(host)
      const certificate = parse(makeLeaf(host))
      assert.equal(certificate.checkIP(host), host)
      const [name] =
        new peculiar.X509Certificate(certificate.raw).getExtension(peculiar.SubjectAlternativeNameExtension)?.names
          .items ?? []
      assert.deepEqual([name?.type, parseHostname(name?.value ?? '')], ['ip', host])
    }),
    { numRuns: 50 },
  )
})

test('fields that no certificate may hold are refused', () => {
  assert.throws(() => renderCertificateBody({ ...GOLDEN_FIELDS, subject: 'x'.repeat(65) }), RangeError)
  assert.throws(() => renderCertificateBody({ ...GOLDEN_FIELDS, serial: Buffer.alloc(21, 1) }), RangeError)
})

test('OpenSSL verifies the chain by all rules of RFC 5280', { skip: missingTools('openssl') }, async (t) => {
  const folder = await withFolder(t)
  await writeFile(join(folder, 'ca.pem'), toPem(makeAuthority()))
  const hosts = [
    ['-verify_hostname', 'api.example.com'],
    ['-verify_hostname', LONG],
    ['-verify_ip', '192.0.2.7'],
    ['-verify_ip', '2001:db8::7'],
  ]
  for (const [option = '', host = ''] of hosts) {
    await writeFile(join(folder, 'leaf.pem'), toPem(makeLeaf(host)))
    const flags = ['-x509_strict', '-check_ss_sig', '-purpose', 'sslserver', option, host]
    const { code, stdout, stderr } = await run('openssl', ['verify', '-CAfile', 'ca.pem', ...flags, 'leaf.pem'], {
      cwd: folder,
    })
    assert.equal(code, 0, stdout + stderr)
  }
})

/** The generator of P-256 stands in for a key (SEC 2 section 2.4.2): a point on the curve that nobody has to make. */
const GENERATOR = Buffer.from(
  '3059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945' +
    'd898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5',
  'hex',
)

const GOLDEN_FIELDS: CertificateFields = {
  serial: Buffer.from('40d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5', 'hex'),
  issuer: 'agentcage CA (demo) 0badcafe',
  subject: '',
  notBefore: new Date('2026-01-02T03:04:05.678Z'),
  notAfter: new Date('2026-04-02T03:04:05.678Z'),
  publicKey: GENERATOR,
  issuerPublicKey: GENERATOR,
  usage: { kind: 'authority' },
}

function makeAuthority(): Buffer {
  return renderCertificate(
    fieldsOf('Test CA', { kind: 'authority' }, authorityKeys.publicKey),
    authorityKeys.privateKey,
  )
}

function makeLeaf(host: string): Buffer {
  return renderCertificate(
    fieldsOf(host.length > 64 ? '' : host, server(host), leafKeys.publicKey),
    authorityKeys.privateKey,
  )
}

function fieldsOf(subject: string, usage: CertificateUsage, publicKey: Buffer): CertificateFields {
  return {
    serial: Buffer.from('40d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5', 'hex'),
    issuer: 'Test CA',
    subject,
    notBefore: new Date(Date.now() - 86_400_000),
    notAfter: new Date(Date.now() + 86_400_000),
    publicKey,
    issuerPublicKey: authorityKeys.publicKey,
    usage,
  }
}

function server(text: string): CertificateUsage {
  const host = parseHostname(text)
  assert.ok(host)
  return { kind: 'server', hosts: [host] }
}

function parse(der: Buffer): X509Certificate {
  return new X509Certificate(der)
}
