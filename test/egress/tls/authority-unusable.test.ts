/**
 * Whatever is found in place of a cage's authority, other than nothing at all, stops the start with `ca_unusable` and
 * changes nothing: the workload trusts the old authority, and a new one made in its stead would hide what went wrong.
 */
import assert from 'node:assert/strict'
import { chmod, chown, lstat, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { CertificateAuthority } from '../../../src/egress/tls/authority.ts'
import { renderCertificate, toPem } from '../../../src/egress/tls/certificate.ts'
import { makeKeyPair, type KeyPair } from '../../../src/egress/tls/key-pair.ts'
import { CageError } from '../../../src/errors.ts'
import { run } from '../../support/command.ts'
import { missingTools } from '../../support/requires.ts'
import { withFolder } from '../../support/temporary.ts'

const AS_ROOT = process.geteuid?.() === 0
const DAY = 86_400_000

type Spoil = (folder: string) => Promise<unknown>
const key = (folder: string) => join(folder, 'ca-key.pem')
const certificate = (folder: string) => join(folder, 'ca.pem')

const unusable: Readonly<Record<string, readonly [spoil: Spoil, message: RegExp]>> = {
  'a folder that others can enter': [(folder) => chmod(folder, 0o755), /mode 0755/],
  'a key that the group can read': [(folder) => chmod(key(folder), 0o640), /ca-key\.pem has mode 0640/],
  'a key that everybody can read': [(folder) => chmod(key(folder), 0o604), /ca-key\.pem has mode 0604/],
  'a certificate that others can change': [(folder) => chmod(certificate(folder), 0o666), /ca\.pem has mode 0666/],
  'a key without its certificate': [
    (folder) => rm(certificate(folder)),
    /ca-key\.pem is there, but ca\.pem is missing/,
  ],
  'a certificate without its key': [(folder) => rm(key(folder)), /ca\.pem is there, but ca-key\.pem is missing/],
  'a key that is a symbolic link': [(folder) => linkAway(key(folder)), /ca-key\.pem is a symbolic link/],
  'a certificate that is a symbolic link': [(folder) => linkAway(certificate(folder)), /ca\.pem is a symbolic link/],
  'a folder that is a symbolic link': [linkAway, /is a symbolic link/],
  'a folder that is a file': [
    (folder) => rm(folder, { recursive: true }).then(() => writeFile(folder, '')),
    /is not a folder/,
  ],
  'a folder in place of the key': [
    (folder) => rm(key(folder)).then(() => mkdir(key(folder), { mode: 0o700 })),
    /not a plain file/,
  ],
  'an empty key': [(folder) => writeFile(key(folder), ''), /ca-key\.pem is not a private key/],
  'an empty certificate': [(folder) => writeFile(certificate(folder), ''), /ca\.pem is not a certificate/],
  'half a key': [(folder) => cutInHalf(key(folder)), /ca-key\.pem is not a private key/],
  'half a certificate': [(folder) => cutInHalf(certificate(folder)), /ca\.pem is not a certificate/],
  'a key that is huge': [(folder) => writeFile(key(folder), 'x'.repeat(100_000)), /larger than 65536 bytes/],
  'a key of another authority': [
    (folder) => writeFile(key(folder), makeKeyPair().pem),
    /does not belong to the certificate/,
  ],
  'a leaf in place of the authority': [(folder) => replace(folder, { leaf: true }), /not one of an authority/],
  'an authority that ended': [(folder) => replace(folder, { notAfter: -1 }), /expired on/],
  'an authority that has not begun': [(folder) => replace(folder, { notBefore: 1 }), /not valid before/],
  'an authority that another one signed': [
    (folder) => replace(folder, { signer: makeKeyPair() }),
    /not signed by its own key/,
  ],
  'an authority with another issuer than itself': [
    (folder) => replace(folder, { issuer: 'Other' }),
    /not signed by its own key/,
  ],
  'other files, and no authority': [
    async (folder) => {
      await rename(key(folder), join(folder, 'notes.txt'))
      await rm(certificate(folder))
    },
    /holds other files/,
  ],
}

for (const [what, [spoil, message]] of Object.entries(unusable)) {
  test(`${what} stops the start and stays as it is`, async (t) => {
    const folder = await makeAuthority(t)
    await spoil(folder)
    const before = await snapshot(dirname(folder))
    await assert.rejects(CertificateAuthority.open(folder, { cage: 'demo' }), (error) => {
      assert.ok(error instanceof CageError)
      assert.equal(error.code, 'ca_unusable')
      assert.match(error.message, message)
      assert.ok(error.hint)
      return true
    })
    assert.deepEqual(await snapshot(dirname(folder)), before)
  })
}

test('what cannot be read stops the start', { skip: AS_ROOT && 'root can read everything' }, async (t) => {
  for (const part of [key, certificate, (folder: string) => folder]) {
    const folder = await makeAuthority(t)
    await chmod(part(folder), 0)
    await assert.rejects(CertificateAuthority.open(folder, { cage: 'demo' }), { code: 'ca_unusable' })
    await chmod(part(folder), 0o700)
  }
})

test("somebody else's authority stops the start", { skip: !AS_ROOT && 'only root can give files away' }, async (t) => {
  for (const part of [key, certificate, (folder: string) => folder]) {
    const folder = await makeAuthority(t)
    await chown(part(folder), 4242, 4242)
    await assert.rejects(CertificateAuthority.open(folder, { cage: 'demo' }), {
      code: 'ca_unusable',
      message: /belongs to user 4242/,
    })
  }
})

test("another tool's authority stops the start", { skip: missingTools('openssl') }, async (t) => {
  for (const [curve, message] of [
    ['prime256v1', /not made by agentcage/],
    ['secp384r1', /not a P-256 key/],
  ] as const) {
    const folder = await makeAuthority(t)
    const files = ['-keyout', key(folder), '-out', certificate(folder)]
    const kind = [
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      `ec_paramgen_curve:${curve}`,
      '-nodes',
      '-subj',
      '/O=Corp/CN=Corp CA',
    ]
    assert.equal((await run('openssl', ['req', ...kind, ...files])).code, 0)
    await assert.rejects(CertificateAuthority.open(folder, { cage: 'demo' }), { code: 'ca_unusable', message })
  }
})

test('an error never quotes the key', async (t) => {
  const folder = await makeAuthority(t)
  const pem = await readFile(key(folder), 'utf8')
  await writeFile(key(folder), pem.replace('PRIVATE KEY-----\n', 'PRIVATE KEY-----\n!!'))
  await assert.rejects(CertificateAuthority.open(folder, { cage: 'demo' }), (error: CageError) => {
    const [, secret = ''] = pem.split('\n')
    assert.ok(!`${error.stack} ${error.hint} ${String(error.cause)}`.includes(secret.slice(0, 20)))
    return true
  })
})

async function makeAuthority(t: TestContext): Promise<string> {
  const folder = join(await withFolder(t), 'ca')
  await CertificateAuthority.open(folder, { cage: 'demo' })
  return folder
}

async function linkAway(path: string): Promise<void> {
  await rename(path, `${path}-elsewhere`)
  await symlink(`${path}-elsewhere`, path)
}

async function cutInHalf(path: string): Promise<void> {
  const content = await readFile(path, 'utf8')
  await writeFile(path, content.slice(0, content.length / 2))
}

interface Flaws {
  readonly leaf?: boolean
  /** Days from now. */
  readonly notBefore?: number
  readonly notAfter?: number
  readonly issuer?: string
  readonly signer?: KeyPair
}

/** Puts another authority in place, whose key and certificate belong together. */
async function replace(folder: string, flaws: Flaws): Promise<void> {
  const keys = makeKeyPair()
  const signer = flaws.signer ?? keys
  const der = renderCertificate(
    {
      serial: Buffer.of(1),
      issuer: flaws.issuer ?? 'Another CA',
      subject: 'Another CA',
      notBefore: new Date(Date.now() + (flaws.notBefore ?? -2) * DAY),
      notAfter: new Date(Date.now() + (flaws.notAfter ?? 2) * DAY),
      publicKey: keys.publicKey,
      issuerPublicKey: signer.publicKey,
      usage: flaws.leaf === true ? { kind: 'server', hosts: ['a.test' as never] } : { kind: 'authority' },
    },
    signer.privateKey,
  )
  await writeFile(key(folder), keys.pem)
  await writeFile(certificate(folder), toPem(der))
}

/** Names, modes and contents of all that lies in a folder. */
async function snapshot(folder: string): Promise<unknown[]> {
  const names = await readdir(folder, { recursive: true })
  return Promise.all(
    names.toSorted().map(async (name) => {
      const { mode, isFile } = await lstat(join(folder, name)).then((stats) => ({
        mode: stats.mode,
        isFile: stats.isFile(),
      }))
      return [name, mode, isFile ? await readFile(join(folder, name), 'hex') : '']
    }),
  )
}
