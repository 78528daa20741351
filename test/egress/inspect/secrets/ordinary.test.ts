/**
 * Ordinary work is not stopped: lockfiles, sources, source maps, images, packs, certificates, hashes, signed URLs. No
 * block, for anybody; the few flags are counted.
 */
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { rootCertificates } from 'node:tls'
import { deflateSync, gzipSync } from 'node:zlib'
import { secretsInspector } from '../../../../src/egress/inspect/secrets.ts'
import type { Hostname } from '../../../../src/policy/host.ts'
import { randomLike } from '../entropy-traffic.ts'
import { DEFAULT_DECODING } from '../default-decoding.ts'

const ROOT = join(import.meta.dirname, '../../../..')

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(ROOT, folder, name), 'utf8'))
}

const LOCKFILE = readFileSync(join(ROOT, 'package-lock.json'))
const LIBRARY = readFileSync(join(ROOT, 'node_modules/yaml/browser/dist/schema/Schema.js'), 'utf8')
const MINIFIED = readFileSync(join(ROOT, 'node_modules/re2js/build/index.umd.js'), 'utf8')
const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

function model(content: unknown): string {
  return JSON.stringify({ model: 'm', max_tokens: 1024, messages: [{ role: 'user', content }] })
}

const ORDINARY: Readonly<Record<string, string | Buffer>> = {
  'a lockfile': LOCKFILE,
  'a lockfile in a model call': model(LOCKFILE.toString()),
  'all sources in a model call': model(
    sources('src')
      .filter((text) => !text.includes('examples:'))
      .join('\n'),
  ),
  'sources in tool arguments': JSON.stringify({
    arguments: JSON.stringify({ content: JSON.stringify(sources('src/config')) }),
  }),
  'a library': LIBRARY,
  'minified code': MINIFIED,
  'a source map': JSON.stringify({
    version: 3,
    sources: ['a.ts'],
    sourcesContent: [MINIFIED],
    mappings: 'AAAA,SAAS,KAAK;AACd,CAAC'.repeat(5000),
  }),
  'images in a model call': model([
    { type: 'image', source: { data: randomLike(300_000, 'image').toString('base64') } },
  ]),
  'an image upload': Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    deflateSync(randomLike(200_000, 'upload')),
  ]),
  'a git pack': Buffer.concat([
    Buffer.from('0032want 0123456789012345678901234567890123456789\n0000PACK\0\0\0\x02'),
    ...sources('src/egress').map((text) => deflateSync(text)),
  ]),
  'a package': gzipSync(
    sources('src')
      .filter((text) => !text.includes('examples:'))
      .join('\0'),
  ),
  UUIDs: JSON.stringify(Array.from({ length: 2000 }, () => randomUUID())),
  hashes: Array.from({ length: 2000 }, (_, n) =>
    createHash(n % 2 ? 'sha256' : 'sha512')
      .update(`${n}`)
      .digest(n % 3 ? 'hex' : 'base64'),
  ).join('\n'),
  certificates: rootCertificates.join('\n'),
  'public keys': `${publicKey.export({ type: 'spki', format: 'pem' }).toString()}ssh-rsa ${randomLike(279, 'key').toString('base64')} me@host\n`,
  'signed URLs': JSON.stringify(
    Array.from(
      { length: 200 },
      (_, n) =>
        `https://d1.cloudfront.net/a.png?Expires=1767225600&Signature=${randomLike(256, `signature ${n}`).toString('base64url')}&Key-Pair-Id=K2JCJMDEHXQW5F`,
    ),
  ),
  'numbers and times': JSON.stringify(
    Array.from({ length: 5000 }, (_, n) => [n * 1.37, `2026-01-01T00:00:${n % 60}Z`, n ** 3]),
  ),
  'prose in many scripts': 'Grüße, Москва, 東京 と 서울, “quotes” – dashes… 👩‍👩‍👧 ❤️ naïve café '.repeat(500),
  HTML: '<a href="https://x.test/?a=1&amp;b=2">A &lt;b&gt; &quot;c&quot; &#8217;</a>\n'.repeat(1000),
  'a form': Array.from({ length: 500 }, (_, n) => `field%5B${n}%5D=value+${n}%20of%20many`).join('&'),
}

const inspector = secretsInspector({
  action: 'block',
  undecodable: 'block',
  decoding: DEFAULT_DECODING,
  builtinAllow: true,
  allow: new Map(),
  extra: [],
  exempt: [],
})

for (const [name, body] of Object.entries(ORDINARY)) {
  test(name, async (t) => {
    const verdict = await inspector.inspectRequest?.({
      direction: 'outbound',
      protocol: 'h2',
      method: 'POST',
      url: 'https://any.test/v1/messages',
      host: 'any.test' as Hostname,
      port: 443,
      path: '/v1/messages',
      headers: ['User-Agent', 'client/1.0', 'X-Request-Id', randomUUID()],
      contentType: 'application/json',
      priorResults: [],
      body: Buffer.from(body as string),
    })
    assert.notEqual(verdict?.kind, 'block', JSON.stringify(verdict))
    if (verdict?.kind === 'flag') t.diagnostic(`flagged: ${verdict.reason}`)
  })
}
