/**
 * `aws-sigv4` through an egress process: what a client signs with the decoy keys of the cage arrives signed with the
 * real ones, by a server's own reckoning; what is not signed validly does not leave.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import { decoyKeys } from '../../../../src/egress/secrets/transforms/aws-keys.ts'
import { requireThat } from '../../../support/requires.ts'
import { withFolder } from '../../../support/temporary.ts'
import type { Handler } from '../../../support/internet.ts'
import { http2Request, http2Session } from '../../../support/proxy-client.ts'
import { botocorePython } from './botocore.ts'
import { signLikeAClient, type ClientRequest } from './sigv4-client.ts'
import { verifySignature, type Verified } from './sigv4-oracle.ts'
import { startScene, type Scene } from './scene.ts'

const PLACEHOLDER = 'agentcage:secret:AWS:00112233445566778899aabbccddeeff'
const DECOY = decoyKeys(PLACEHOLDER)
const REAL = {
  accessKeyId: 'AKIAREALREALREALREAL',
  secretAccessKey: 'real/secret+access/key+of/forty/characte',
}
const SESSION = 'the+session/token=='
const S3 = 'bucket.s3.eu-west-1.amazonaws.com'

interface Aws {
  readonly scene: Scene
  /** What the server found of each request, oldest first; an error where it was not signed validly. */
  readonly found: (Verified | Error)[]
  /** Those that arrived. */
  readonly signatures: string[]
}

async function start(t: TestContext, config: object = {}, session?: string): Promise<Aws> {
  const found: (Verified | Error)[] = []
  const signatures: string[] = []
  const server: Handler = (_request, response, arrived) => {
    try {
      found.push(verifySignature(arrived, REAL))
    } catch (error) {
      found.push(error as Error)
      response.statusCode = 403
    }
    // As AWS does for signatures that do not match.
    const whole = `${arrived.rawHeaders.join('\n')}${arrived.url}`
    for (const [, signature] of whole.matchAll(/Signature=([0-9a-f]{64})/g)) signatures.push(String(signature))
    const echo = whole.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
    response.end(`<Echo><AWSAccessKeyId>${REAL.accessKeyId}</AWSAccessKeyId>${echo}</Echo>`)
  }
  const scene = await startScene(t, {
    hosts: { [S3]: server, 'bucket.s3.amazonaws.com': server, 'sts.amazonaws.com': server, 'other.test': {} },
    rules: [
      {
        env: 'AWS',
        placeholder: PLACEHOLDER,
        inject_to: ['amazonaws.com'],
        transform: 'aws-sigv4',
        transform_config: config,
      },
    ],
    secrets: {
      AWS: JSON.stringify({
        Version: 1,
        AccessKeyId: REAL.accessKeyId,
        SecretAccessKey: REAL.secretAccessKey,
        ...(session === undefined ? {} : { SessionToken: session }),
      }),
    },
  })
  return { scene, found, signatures }
}

const PUT: ClientRequest = {
  method: 'PUT',
  host: S3,
  path: '/folder/a b+c(ü).txt',
  query: { partNumber: '1', tagging: '', 'a&b': 'c=d' },
  headers: { 'Content-Type': 'text/plain', 'X-Amz-Meta-Note': '  two  words ' },
  body: 'content',
  region: 'eu-west-1',
  service: 's3',
}

test('a request is signed anew', async (t) => {
  const { scene, found, signatures } = await start(t)
  const signed = signLikeAClient(PUT, DECOY)
  const answer = await scene.get(signed.url, signed)
  assert.equal(answer.status, 200, inspect(found))
  assert.deepEqual(found, [
    { ...REAL_ID, sessionToken: undefined, service: 's3', region: 'eu-west-1', content: Buffer.from('content') },
  ])
  assert.ok(answer.body.includes(DECOY.accessKeyId), 'the access key id is redacted')
  assert.ok(!answer.body.includes(REAL.accessKeyId))
  const [signature = 'none'] = signatures
  assert.ok(!answer.body.includes(signature), 'an echoed signature is redacted')
  const [sent = 'none'] = /(?<=Signature=)[0-9a-f]{64}/.exec(JSON.stringify(signed.headers)) ?? []
  assert.ok(answer.body.includes(sent), "the echo has the client's own")
  const record = await scene.egress.record(({ host }) => host === S3)
  assert.deepEqual([record.decision, record.secrets_injected], ['allowed', ['AWS']])
  await scene.keptQuiet(REAL.secretAccessKey, REAL.accessKeyId)
})

const REAL_ID = { accessKeyId: REAL.accessKeyId }

test('with a session token, over HTTP/2, presigned, and in ranges', async (t) => {
  const { scene, found } = await start(t, { services: ['s3', 'sts'] }, SESSION)
  const { proxy, ca } = scene.egress
  const session = await http2Session(`https://${S3}`, { proxy, ca })
  t.after(() => session.destroy())
  const signed = signLikeAClient({ ...PUT, headers: { Range: 'bytes=0-9' } }, DECOY)
  const { pathname, search } = new URL(signed.url)
  const fields = Object.entries(signed.headers).map(([name, value]) => [name.toLowerCase(), value] as const)
  const { status } = await http2Request(
    session,
    { ':method': 'PUT', ':path': pathname + search, ...Object.fromEntries(fields.filter(([name]) => name !== 'host')) },
    signed.body,
  )
  assert.equal(status, 200, inspect(found))
  const range = scene.server(S3).requests[0]?.rawHeaders
  assert.equal(range?.[range.findIndex((name) => name === 'range') + 1], 'bytes=0-9')
  const presigned = signLikeAClient({ ...PUT, method: 'GET', body: '', headers: {}, expires: 3600 }, DECOY)
  const answer = await scene.get(presigned.url)
  assert.equal(answer.status, 200, inspect(found))
  assert.deepEqual(
    found.map((one) => (one as Verified).sessionToken),
    [SESSION, SESSION],
  )
  assert.ok(!answer.body.includes(encodeURIComponent(SESSION)) && !answer.body.includes(SESSION))
})

test('what is not signed validly does not leave', async (t) => {
  const { scene, found } = await start(t)
  const signed = signLikeAClient(PUT, DECOY)
  const stranger = { ...DECOY, secretAccessKey: `${DECOY.secretAccessKey.slice(1)}x` }
  const denials = [
    [{ ...signed, body: 'changed' }, /not the SHA-256 of the body/],
    [{ ...signed, method: 'DELETE' }, /not that of this request/],
    [signLikeAClient(PUT, stranger), /not that of this request/],
    [signLikeAClient({ ...PUT, region: 'us-east-1' }, DECOY), /the host is in eu-west-1/],
    [signLikeAClient({ ...PUT, service: 'iam' }, DECOY), /not at this host/],
    [signLikeAClient({ ...PUT, now: new Date(Date.now() - 1_000_000) }, DECOY), /X-Amz-Date is not now/],
    [{ ...signed, headers: { Authorization: `AWS ${DECOY.accessKeyId}:c2lnbmF0dXJl` } }, /not of Version 4/],
  ] as const
  for (const [request, reason] of denials) {
    const answer = await scene.get(signed.url, request)
    assert.match((await scene.denied(answer, { status: 403, code: 'secret_unusable' })).reason, reason)
  }
  const elsewhere = await scene.get('https://other.test/', {
    headers: { Authorization: String(signed.headers['Authorization']) },
  })
  await scene.denied(elsewhere, { status: 403, code: 'placeholder_misdirected' })
  for (const value of [REAL.secretAccessKey, REAL.accessKeyId]) {
    const literal = await scene.get(`https://${S3}/`, { method: 'POST', body: value })
    await scene.denied(literal, { status: 403, code: 'secret_literal' })
  }
  assert.equal(scene.server(S3).connections, 0)
  // A request that nobody signed is nobody's business.
  await scene.get(`https://${S3}/public`)
  assert.equal(found.length, 1)
})

test('botocore, with the decoy keys in its environment', async (t) => {
  const python = botocorePython()
  if (!requireThat(t, python !== undefined, 'botocore') || python === undefined) return
  const { scene, found } = await start(t, {}, SESSION)
  const folder = await withFolder(t)
  await writeFile(join(folder, 'client.py'), CLIENT)
  const child = spawn(python, [join(folder, 'client.py'), S3], {
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      AWS_ACCESS_KEY_ID: DECOY.accessKeyId,
      AWS_SECRET_ACCESS_KEY: DECOY.secretAccessKey,
      AWS_CA_BUNDLE: scene.egress.caPath,
      AWS_EC2_METADATA_DISABLED: 'true',
      HTTPS_PROXY: `http://${scene.egress.proxy}`,
      NO_PROXY: '',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  assert.match(stdout, /^done/, stderr + inspect(found))
  assert.deepEqual(
    found.map((one) => [(one as Verified).service, (one as Verified).sessionToken]),
    ['s3', 's3', 's3', 's3', 's3', 'sts'].map((service) => [service, SESSION]),
    inspect(found),
  )
})

const CLIENT = `
import io, sys
import botocore.session
from botocore.config import Config
import botocore.auth
import urllib.request, ssl, os

session = botocore.session.get_session()
config = Config(retries={'max_attempts': 0}, signature_version='v4')
s3config = Config(retries={'max_attempts': 0}, signature_version='s3v4')
s3 = session.create_client('s3', region_name='eu-west-1', config=s3config)
s3.put_object(Bucket='bucket', Key='a folder/key+\\u00fc=&.txt', Body=b'content' * 1000, Metadata={'note': 'x  y'})
s3.put_object(Bucket='bucket', Key='stream', Body=io.BytesIO(b'content' * 1000), ChecksumAlgorithm='SHA256')
# Versions up to 1.29 sign Transfer-Encoding as well, which is between two hops and does not get as far as S3.
kept = botocore.auth.SIGNED_HEADERS_BLACKLIST
botocore.auth.SIGNED_HEADERS_BLACKLIST = [name for name in kept if name != 'transfer-encoding']
s3.put_object(Bucket='bucket', Key='stream', Body=io.BytesIO(b'content' * 1000), ChecksumAlgorithm='SHA256')
botocore.auth.SIGNED_HEADERS_BLACKLIST = kept
s3.get_object(Bucket='bucket', Key='key', Range='bytes=0-9')['Body'].read()
url = s3.generate_presigned_url('get_object', Params={'Bucket': 'bucket', 'Key': 'a key'}, ExpiresIn=600)
context = ssl.create_default_context(cafile=os.environ['AWS_CA_BUNDLE'])
urllib.request.build_opener(urllib.request.ProxyHandler({'https': os.environ['HTTPS_PROXY']}), urllib.request.HTTPSHandler(context=context)).open(url).read()
sts = session.create_client('sts', region_name='us-east-1', endpoint_url='https://sts.amazonaws.com', config=config)
try:
    sts.get_caller_identity()
except KeyError: # The echo is no answer of STS.
    pass
print('done')
`
