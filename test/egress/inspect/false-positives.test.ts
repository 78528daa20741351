/**
 * Ordinary work of an agent must not cry wolf: what model APIs, git, package managers, uploads and signed URLs send is
 * neither flagged for its entropy nor for its content type. The rate over the whole corpus is printed.
 */
import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { zoneFinder, judgeHostLabels } from '../../../src/egress/inspect/host-labels.ts'
import { HostLabelBudget } from '../../../src/egress/inspect/host-labels-budget.ts'
import { parseHostname, type Hostname } from '../../../src/policy/host.ts'
import * as files from './entropy-files.ts'
import { judge, randomLike, type Sent } from './entropy-traffic.ts'

const ROOT = join(import.meta.dirname, '../../..')
const JSON_TYPE = 'application/json'

function base64(bytes: Buffer): string {
  return bytes.toString('base64')
}

function hashes(count: number): string[] {
  return Array.from({ length: count }, (_, index) => createHash('sha256').update(String(index)).digest('hex'))
}

function source(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

function message(text: string, ...content: readonly object[]): string {
  return JSON.stringify({
    model: 'claude',
    max_tokens: 4096,
    messages: [{ role: 'user', content: [{ type: 'text', text }, ...content] }],
  })
}

const LOCKFILE = source('package-lock.json')
const SCRIPTS = readdirSync(join(ROOT, 'src/egress/http')).map((name) => source(`src/egress/http/${name}`))

const CHINESE =
  '智能体在沙箱中运行，不能直接访问互联网；它发送的一切都要经过出口代理的检查。审计日志记录每一个决定，任何部分失败，流量就停止。'
const MIXED = `${CHINESE} エージェントはネットワークに直接つながっていません。Агент никогда не держит настоящий секрет. 에이전트는 자리표시자만 가집니다. 🙂🚀✨ naïve café “quotes” — ½ × ∑ `
const SOURCE_MAP = JSON.stringify({
  version: 3,
  sources: ['a.ts'],
  sourcesContent: [SCRIPTS[0]],
  names: [],
  mappings: 'AAAA,SAASA,QAAQC;EACfC,IAAIC,KAAK,CAACC;'.repeat(400),
})
const CERTIFICATE = base64(
  Buffer.concat([Buffer.from('308203b53082029da003', 'hex'), randomLike(900, 'certificate')]),
).replace(/.{64}/g, '$&\n')
const JWT = `${base64(Buffer.from('{"alg":"RS256","typ":"JWT","kid":"k1"}')).replaceAll('=', '')}.${Buffer.from(
  JSON.stringify({
    iss: 'https://issuer.example',
    sub: 'someone',
    aud: ['a', 'b'],
    groups: ['one', 'two', 'three'],
    name: 'An Agent',
    email: 'agent@example.com',
    iat: 1_790_000_000,
    exp: 1_790_003_600,
    jti: 'b7c9e2',
  }),
).toString('base64url')}.${randomLike(256, 'jwt').toString('base64url')}`
const SSH_KEY = `ssh-rsa ${base64(Buffer.concat([Buffer.from('000000077373682d727361000000030100010000', 'hex'), randomLike(380, 'ssh')]))} agent@host`

const CORPUS: Readonly<Record<string, Sent>> = {
  'chat with source code': { host: 'api.anthropic.com', type: JSON_TYPE, body: message(SCRIPTS.join('\n')) },
  'chat in many scripts': { host: 'api.openai.com', type: JSON_TYPE, body: message(MIXED.repeat(50)) },
  'chat in Chinese, elsewhere': { type: 'application/json; charset=utf-8', body: message(CHINESE.repeat(100)) },
  'Chinese, escaped': {
    type: JSON_TYPE,
    body: message(CHINESE.repeat(100)).replace(
      /[^\x00-\x7f]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  },
  'image for Anthropic': {
    host: 'api.anthropic.com',
    type: JSON_TYPE,
    body: message('what is this?', {
      type: 'image',
      source: { type: 'base64', media_type: 'image/png', data: base64(files.png(60_000)) },
    }),
  },
  'image for OpenAI': {
    host: 'api.openai.com',
    type: JSON_TYPE,
    body: message('what is this?', {
      type: 'image_url',
      image_url: { url: `data:image/jpeg;base64,${base64(files.jpeg(30_000))}` },
    }),
  },
  'image for Gemini': {
    host: 'generativelanguage.googleapis.com',
    path: '/v1beta/models/x:generateContent',
    type: JSON_TYPE,
    body: JSON.stringify({
      contents: [{ parts: [{ inline_data: { mime_type: 'image/webp', data: base64(files.webp()) } }] }],
    }),
  },
  'image for Bedrock': {
    host: 'bedrock-runtime.eu-central-1.amazonaws.com',
    type: JSON_TYPE,
    body: message('?', { image: { format: 'gif', source: { bytes: base64(files.gif()) } } }),
  },
  'image with escaped slashes': {
    host: 'api.openai.com',
    type: JSON_TYPE,
    body: message('?', { url: `data:image/png;base64,${base64(files.png(9000))}` }).replaceAll('/', '\\/'),
  },
  'image with escaped plus signs': {
    host: 'myresource.openai.azure.com',
    type: JSON_TYPE,
    body: message('?', { url: `data:image/png;base64,${base64(files.png(9000))}` }).replaceAll('+', '\\u002B'),
  },
  'document for a model': {
    host: 'api.anthropic.com',
    type: JSON_TYPE,
    body: message('sum up', {
      type: 'document',
      source: { type: 'base64', media_type: 'application/pdf', data: base64(files.pdf(20_000)) },
    }),
  },
  'sound for a model': {
    host: 'api.openai.com',
    type: JSON_TYPE,
    body: message('listen', { type: 'input_audio', input_audio: { format: 'wav', data: base64(files.wav()) } }),
  },
  'several images at once': {
    host: 'openrouter.ai',
    type: JSON_TYPE,
    body: message(
      'compare',
      ...[files.png(), files.jpeg(), files.webp()].map((bytes) => ({ type: 'image', data: base64(bytes) })),
    ),
  },
  'reasoning handed back': {
    host: 'api.anthropic.com',
    type: JSON_TYPE,
    body: message(
      'go on',
      { type: 'thinking', thinking: 'Let me see.', signature: base64(randomLike(900)) },
      { type: 'redacted_thinking', data: base64(randomLike(1500)) },
    ),
  },
  'encrypted reasoning handed back': {
    host: 'api.openai.com',
    path: '/v1/responses',
    type: JSON_TYPE,
    body: JSON.stringify({
      input: [{ type: 'reasoning', summary: [], encrypted_content: `gAAAAAB${base64(randomLike(3000))}` }],
    }),
  },
  'audio transcription': {
    host: 'api.openai.com',
    path: '/v1/audio/transcriptions',
    type: 'multipart/form-data; boundary=x7',
    body: files.multipart('x7', [
      { name: 'model', body: 'whisper-1' },
      { name: 'file', file: 'a.wav', type: 'audio/wav', body: files.wav() },
    ]),
  },
  'image upload': {
    type: 'multipart/form-data; boundary="----WebKitFormBoundary7MA4YWxkTrZu0gW"',
    body: files.multipart('----WebKitFormBoundary7MA4YWxkTrZu0gW', [
      { name: 'title', body: 'A picture' },
      { name: 'file', file: 'a.png', type: 'image/png', body: files.png(100_000) },
    ]),
  },
  'several files': {
    type: 'Multipart/Form-Data; Boundary=b',
    body: files.multipart('b', [
      { name: 'a', file: 'a.jpg', type: 'image/jpeg', body: files.jpeg() },
      { name: 'b', file: 'b.pdf', type: 'application/pdf', body: files.pdf() },
      {
        name: 'c',
        file: 'c.docx',
        type: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
        body: files.zip('[Content_Types].xml'),
      },
      { name: 'd', file: 'd.ts', type: 'text/plain', body: SCRIPTS[1] ?? '' },
    ]),
  },
  'picture put': { method: 'PUT', path: '/bucket/a.png', type: 'image/png', body: files.png(50_000) },
  'film put': { method: 'PUT', path: '/bucket/a.mp4', type: 'video/mp4', body: files.mp4() },
  'font put': { method: 'PUT', path: '/fonts/a.woff2', type: 'font/woff2', body: files.woff2() },
  'git push': {
    host: 'github.com',
    path: '/o/r.git/git-receive-pack',
    type: 'application/x-git-receive-pack-request',
    body: files.gitPush(200_000),
  },
  'git fetch': {
    host: 'gitlab.com',
    path: '/o/r.git/git-upload-pack',
    type: 'application/x-git-upload-pack-request',
    body: files.gitFetch(),
  },
  'git fetch, compressed': {
    host: 'gitlab.com',
    path: '/o/r.git/git-upload-pack',
    type: 'application/x-git-upload-pack-request',
    headers: ['Content-Encoding', 'gzip'],
    body: gzipSync(files.gitFetch()),
  },
  'npm install': { host: 'registry.npmjs.org', method: 'GET', path: '/@typescript-eslint%2fparser' },
  'npm audit': {
    host: 'registry.npmjs.org',
    path: '/-/npm/v1/security/advisories/bulk',
    type: JSON_TYPE,
    headers: ['content-encoding', 'gzip'],
    body: gzipSync(LOCKFILE),
  },
  'npm publish': {
    host: 'registry.npmjs.org',
    method: 'PUT',
    path: '/agentcage',
    type: JSON_TYPE,
    body: JSON.stringify({
      name: 'x',
      dist: { integrity: `sha512-${base64(randomLike(64))}`, shasum: 'a'.repeat(40) },
      _attachments: {
        'x-1.0.0.tgz': { content_type: 'application/octet-stream', data: base64(gzipSync(randomLike(20_000))) },
      },
    }),
  },
  'twine upload': {
    host: 'upload.pypi.org',
    path: '/legacy/',
    type: 'multipart/form-data; boundary=zz',
    body: files.multipart('zz', [
      { name: ':action', body: 'file_upload' },
      { name: 'sha256_digest', body: hashes(1)[0] ?? '' },
      { name: 'content', file: 'x.whl', type: 'application/octet-stream', body: files.zip() },
    ]),
  },
  'docker push': {
    host: 'ghcr.io',
    method: 'PATCH',
    path: `/v2/o/i/blobs/uploads/${randomUUID()}?_state=REQ`,
    type: 'application/octet-stream',
    body: files.gzip(),
  },
  'release asset': {
    host: 'uploads.github.com',
    path: '/repos/o/r/releases/1/assets?name=a.zip',
    type: 'application/zip',
    body: files.zip(),
  },
  'pip install': {
    host: 'files.pythonhosted.org',
    method: 'GET',
    path: '/packages/92/a0/9d1d5fc5d1f1a2b4c5d60718293a4b5c6d7e8f90112233445566778899aa/requests-2.32.5-py3-none-any.whl',
  },
  'telemetry, compressed': {
    path: '/v1/traces',
    type: 'application/x-protobuf',
    headers: ['Content-Encoding', 'gzip'],
    body: gzipSync(Buffer.from(SCRIPTS.join(''))),
  },
  'logs, brotli': {
    type: 'application/x-ndjson',
    headers: ['Content-Encoding', 'br'],
    body: brotliCompressSync(LOCKFILE),
  },
  'logs, zstd': { type: 'application/json', headers: ['Content-Encoding', 'zstd'], body: zstdCompressSync(LOCKFILE) },
  'logs, deflate': { type: 'application/json', headers: ['Content-Encoding', 'deflate'], body: deflateSync(LOCKFILE) },
  lockfile: { type: JSON_TYPE, body: LOCKFILE },
  'lockfile inside a message': { type: JSON_TYPE, body: message(LOCKFILE) },
  'list of integrity hashes': {
    type: JSON_TYPE,
    body: JSON.stringify(hashes(200).map((hash) => `sha512-${base64(createHash('sha512').update(hash).digest())}`)),
  },
  'pip requirements with hashes': {
    type: 'text/plain',
    body: hashes(300)
      .map((hash, index) => `package-${index}==1.${index}.0 \\\n    --hash=sha256:${hash}`)
      .join('\n'),
  },
  'go.sum': {
    type: 'text/plain',
    body: hashes(300)
      .map((hash, index) => `github.com/owner/module${index} v1.${index}.0 h1:${base64(Buffer.from(hash, 'hex'))}`)
      .join('\n'),
  },
  'commit hashes, a line each': {
    type: JSON_TYPE,
    body: message(
      hashes(500)
        .map((hash) => hash.slice(0, 40))
        .join('\n'),
    ),
  },
  'hashes and UUIDs': {
    type: JSON_TYPE,
    body: JSON.stringify(hashes(300).map((hash) => ({ id: randomUUID(), hash }))),
  },
  'hexadecimal in one line': { type: JSON_TYPE, body: JSON.stringify({ hex: randomLike(5000).toString('hex') }) },
  'source map': { type: JSON_TYPE, body: SOURCE_MAP },
  'source map inside of a script': {
    type: 'application/javascript',
    body: `${SCRIPTS[0]}\n//# sourceMappingURL=data:application/json;base64,${base64(Buffer.from(SOURCE_MAP))}\n`,
  },
  'minified script': { type: 'text/javascript', body: SCRIPTS.join('').replace(/\s+/g, ' ') },
  'directory listing': {
    type: 'text/plain',
    body: Array.from(
      { length: 400 },
      (_, index) => `packages/application${index}/src/components/UserProfileSettings/stories/Button${index}`,
    ).join('\n'),
  },
  rules: {
    type: 'text/markdown',
    body: `${'-'.repeat(400)}\n${'='.repeat(400)}\n${'_'.repeat(400)}\n${'A'.repeat(400)}`,
  },
  certificate: {
    type: JSON_TYPE,
    body: message(`-----BEGIN CERTIFICATE-----\n${CERTIFICATE}\n-----END CERTIFICATE-----`),
  },
  'certificate as it is': {
    type: 'text/plain',
    body: `-----BEGIN CERTIFICATE-----\n${CERTIFICATE}\n-----END CERTIFICATE-----\n`,
  },
  'public key': {
    host: 'api.github.com',
    path: '/user/keys',
    type: JSON_TYPE,
    body: JSON.stringify({ title: 'agent', key: SSH_KEY }),
  },
  'token refresh': {
    path: '/oauth/token',
    type: 'application/x-www-form-urlencoded',
    body: `grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=${JWT}`,
  },
  'signed commit': {
    host: 'api.github.com',
    type: JSON_TYPE,
    body: JSON.stringify({
      message: 'fix',
      signature: `-----BEGIN PGP SIGNATURE-----\n\n${base64(randomLike(500)).replace(/.{64}/g, '$&\n')}\n-----END PGP SIGNATURE-----`,
    }),
  },
  form: { type: 'application/x-www-form-urlencoded', body: `q=${encodeURIComponent(MIXED.repeat(20))}&page=2` },
  xml: {
    type: 'application/xml',
    body: `<?xml version="1.0"?><list>${hashes(100)
      .map((hash) => `<entry id="${hash}">${CHINESE}</entry>`)
      .join('')}</list>`,
  },
  'GraphQL query': {
    host: 'api.github.com',
    path: '/graphql',
    type: JSON_TYPE,
    body: JSON.stringify({
      query: 'query($id:ID!){node(id:$id){... on PullRequest{reviews(first:10){nodes{body}}}}}',
      variables: { id: 'PR_kwDOABCD1M5abcdE' },
    }),
  },
  'search in a URL': {
    method: 'GET',
    path: `/search?q=${encodeURIComponent('how do I keep a proxy from leaking secrets when the client splits them over requests?')}&hl=en`,
  },
  'JSON in a URL': {
    method: 'GET',
    path: `/graphql?variables=${encodeURIComponent(JSON.stringify({ userId: 12_345, includePromotedContent: true, features: { responsive_web: true, tweets: false } }))}`,
  },
  'OAuth authorization': {
    method: 'GET',
    path: `/authorize?response_type=code&client_id=a1b2c3&redirect_uri=${encodeURIComponent('http://localhost:3000/callback')}&code_challenge=${randomLike(32, 'pkce').toString('base64url')}&code_challenge_method=S256&state=${randomLike(32, 'state').toString('base64url')}`,
  },
  'CloudFront, signed': {
    host: 'd111111abcdef8.cloudfront.net',
    method: 'GET',
    path: `/a.tar?Policy=${base64(randomLike(200, 'p'))}&Signature=${randomLike(256, 's').toString('base64url')}&Key-Pair-Id=K2JCJMDEHXQW5F`,
  },
  'S3, signed': {
    host: 'bucket.s3.eu-central-1.amazonaws.com',
    method: 'GET',
    path: `/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAXXXXXXXXXXXXXXXX%2F20261122%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Date=20261122T000000Z&X-Amz-Expires=3600&X-Amz-Security-Token=${encodeURIComponent(base64(randomLike(600, 'token')))}&X-Amz-Signature=${hashes(1)[0]}&X-Amz-SignedHeaders=host`,
  },
  'Google Storage, signed': {
    host: 'storage.googleapis.com',
    method: 'GET',
    path: `/b/o?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Signature=${randomLike(256, 'goog').toString('hex')}`,
  },
  'Azure, signed': {
    host: 'account.blob.core.windows.net',
    method: 'GET',
    path: `/c/b?sv=2024-11-04&se=2026-11-22T00%3A00%3A00Z&sr=b&sp=r&sig=${encodeURIComponent(base64(randomLike(32, 'sas')))}`,
  },
  'GitHub asset, signed': {
    host: 'release-assets.githubusercontent.com',
    method: 'GET',
    path: `/github-production-release-asset/1/${randomUUID()}?sp=r&sv=2018-11-09&sr=b&sig=${encodeURIComponent(base64(randomLike(32, 'gh')))}&jwt=${JWT}&response-content-type=application%2Foctet-stream`,
  },
  'Hugging Face, signed': {
    host: 'cas-bridge.xethub.hf.co',
    method: 'GET',
    path: `/xet-bridge-us/${hashes(1)[0]}?X-Amz-Signature=${hashes(2)[1]}&Policy=${base64(randomLike(300, 'hf'))}&Signature=${base64(randomLike(256, 'hfs'))}`,
  },
  'container layer': {
    host: 'registry-1.docker.io',
    method: 'GET',
    path: `/v2/library/node/blobs/sha256:${hashes(1)[0]}`,
  },
  'UUIDs in a path': { method: 'GET', path: `/orgs/${randomUUID()}/projects/${randomUUID()}/runs/${randomUUID()}` },
  'long readable path': {
    method: 'GET',
    path: '/docs/2026/11/a-very-long-title-of-a-page-that-explains-how-to-install-the-command-line-tools-on-linux-and-macos',
  },
}

const HOSTS: readonly (readonly [zone: string, host: string])[] = [
  ['cloudfront.net', 'd111111abcdef8.cloudfront.net'],
  ['r2.cloudflarestorage.com', '0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com'],
  ['amazonaws.com', 'ec2-203-0-113-25.eu-central-1.compute.amazonaws.com'],
  ['amazonaws.com', 'my-company-production-data-lake-eu-central-1-123456789012.s3.eu-central-1.amazonaws.com'],
  ['amazonaws.com', '123456789012.dkr.ecr.us-east-1.amazonaws.com'],
  ['amazonaws.com', 'k8s-default-ingress-1234567890-123456789.us-east-1.elb.amazonaws.com'],
  ['on.aws', 'abcdefghijklmnop234567abcdefghij.lambda-url.us-east-1.on.aws'],
  ['vercel.app', 'my-application-git-feature-add-a-longer-name-my-team.vercel.app'],
  ['netlify.app', 'deploy-preview-1234--a-rather-long-name-of-a-site.netlify.app'],
  ['githubusercontent.com', 'release-assets.githubusercontent.com'],
  ['windows.net', 'rg7f3a2b9c1d4e5prod.blob.core.windows.net'],
  ['fastly.net', 'dualstack.j.sni.global.fastly.net'],
]

const flagged: string[] = []

for (const [name, sent] of Object.entries(CORPUS)) {
  test(name, () => {
    const reasons = judge(sent)
    if (reasons !== '') flagged.push(name)
    assert.equal(reasons, '')
  })
}

for (const [zone, name] of HOSTS) {
  test(name, () => {
    const host = parseHostname(name) as Hostname
    const zoneOf = zoneFinder({ mode: 'allowlist', list: [{ host: zone as Hostname }] })
    const settings = { action: 'flag', names_per_hour: 500, label_bytes_per_hour: 16_384 } as const
    const verdict = judgeHostLabels({ settings, budget: new HostLabelBudget(settings), zoneOf }, host, 0)
    if (verdict.kind !== 'pass') flagged.push(name)
    assert.deepEqual(verdict, { kind: 'pass' })
  })
}

test('the rate of false alarms', (t) => {
  const all = Object.keys(CORPUS).length + HOSTS.length
  t.diagnostic(`false alarms: ${flagged.length} of ${all} (${((100 * flagged.length) / all).toFixed(1)} %)`)
  assert.deepEqual(flagged, [])
})
