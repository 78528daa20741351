import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'

/**
 * What a server does to verify AWS Signature Version 4, written from the specification for the tests alone: nothing of
 * it is shared with what it judges.
 */

export interface SignedArrival {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

export interface OracleKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface Verified {
  readonly accessKeyId: string
  readonly sessionToken: string | undefined
  readonly service: string
  readonly region: string
  /** Of a body in signed chunks: what they hold. */
  readonly content: Buffer
}

/** Throws an AssertionError unless the request bears a valid signature. */
export function verifySignature(request: SignedArrival, keys: OracleKeys): Verified {
  const fields = new Map<string, string[]>()
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = String(request.rawHeaders[i])
      .toLowerCase()
      .replace(/^:authority$/, 'host')
    fields.set(name, [...(fields.get(name) ?? []), String(request.rawHeaders[i + 1])])
  }
  const [path = '', search = ''] = request.url.split(/\?(.*)/s)
  const params = search
    .split('&')
    .filter(Boolean)
    .map((pair) => pair.split(/=(.*)/s).slice(0, 2).map(unescape1))
  const param = (name: string): string | undefined => params.find(([key]) => key === name)?.[1]
  const authorization = fields.get('authorization')?.[0]
  const inHeader = authorization !== undefined
  const [, credential = '', names = '', signature = ''] = inHeader
    ? (/^AWS4-HMAC-SHA256 Credential=(.+?), ?SignedHeaders=(.+?), ?Signature=(.+)$/.exec(authorization) ?? [])
    : ['', param('X-Amz-Credential'), param('X-Amz-SignedHeaders'), param('X-Amz-Signature')]
  const [accessKeyId, day, region = '', service = '', end] = credential.split('/')
  assert.equal(accessKeyId, keys.accessKeyId)
  assert.equal(end, 'aws4_request')
  const date = (inHeader ? fields.get('x-amz-date')?.[0] : param('X-Amz-Date')) ?? ''
  assert.equal(date.slice(0, 8), day)
  const signed = names.split(';')
  assert.ok(signed.includes('host'))
  for (const name of fields.keys()) assert.ok(!name.startsWith('x-amz-') || signed.includes(name), `${name} is signed`)
  const said = fields.get('x-amz-content-sha256')?.[0]
  const hash = said ?? (!inHeader && service === 's3' ? 'UNSIGNED-PAYLOAD' : hex(request.body))
  if (/^[0-9a-f]{64}$/.test(hash)) assert.equal(hash, hex(request.body), 'the hash of the body')
  const canonical = [
    request.method,
    service === 's3'
      ? path
          .split('/')
          .map((s) => escape1(unescape1(s)))
          .join('/')
      : normalised(path),
    params
      .filter(([key]) => key !== 'X-Amz-Signature')
      .map(([key = '', value = '']) => `${escape1(key)}=${escape1(value)}`)
      .toSorted((a, b) => (a.replace('=', '\0') < b.replace('=', '\0') ? -1 : 1))
      .join('&'),
    signed
      .map((name) => `${name}:${(fields.get(name) ?? []).map((v) => v.trim().split(/\s+/).join(' ')).join(',')}\n`)
      .join(''),
    names,
    hash,
  ].join('\n')
  const scope = [day, region, service, 'aws4_request'].join('/')
  let key = Buffer.from(`AWS4${keys.secretAccessKey}`)
  for (const part of scope.split('/')) key = createHmac('sha256', key).update(part).digest()
  const mac = (...lines: string[]): string => createHmac('sha256', key).update(lines.join('\n'), 'latin1').digest('hex')
  assert.equal(signature, mac('AWS4-HMAC-SHA256', date, scope, hex(canonical)), canonical)
  const sessionToken = inHeader ? fields.get('x-amz-security-token')?.[0] : param('X-Amz-Security-Token')
  const content = hash.startsWith('STREAMING-AWS4-HMAC-SHA256-PAYLOAD')
    ? unchunk(
        request.body,
        (kind, previous, ...hashes) => mac(`AWS4-HMAC-SHA256-${kind}`, date, scope, previous, ...hashes),
        signature,
      )
    : request.body
  return { accessKeyId, sessionToken, service, region, content }
}

type Mac = (kind: 'PAYLOAD' | 'TRAILER', previous: string, ...hashes: string[]) => string

function unchunk(body: Buffer, mac: Mac, seed: string): Buffer {
  let text = body.toString('latin1')
  let previous = seed
  const parts: Buffer[] = []
  for (;;) {
    const [head, size, signature] = /^([0-9a-f]+);chunk-signature=([0-9a-f]+)\r\n/.exec(text) ?? []
    assert.ok(head !== undefined && size !== undefined, 'a chunk')
    const data = Buffer.from(text.slice(head.length, head.length + Number.parseInt(size, 16)), 'latin1')
    previous = mac('PAYLOAD', previous, hex(''), hex(data))
    assert.equal(signature, previous, 'a chunk signature')
    text = text.slice(head.length + data.length).replace(/^\r\n/, '')
    parts.push(data)
    if (data.length === 0) break
  }
  const [, trailer, signature] = /^(.*)x-amz-trailer-signature:([0-9a-f]+)\r\n\r\n$/s.exec(text) ?? []
  if (trailer !== undefined)
    assert.equal(signature, mac('TRAILER', previous, hex(trailer.replaceAll('\r\n', '\n'))), 'the trailer signature')
  return Buffer.concat(parts)
}

function hex(data: string | Buffer): string {
  return createHash('sha256')
    .update(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
    .digest('hex')
}

function unescape1(text: string): string {
  return Buffer.from(
    [...text.matchAll(/%([0-9a-f]{2})|(.)/gis)].map(([, code, char = '']) =>
      code === undefined ? char.charCodeAt(0) : Number.parseInt(code, 16),
    ),
  ).toString('latin1')
}

function escape1(text: string): string {
  let result = ''
  for (const byte of Buffer.from(text, 'latin1')) {
    const char = String.fromCharCode(byte)
    result += /[\w.~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return result
}

/** By the URL standard's own removal of dot segments, once repeated slashes are gone. */
function normalised(path: string): string {
  const plain = path.replaceAll('%', '\0').replace(/\/+/g, '/')
  const segments: string[] = []
  const parts = plain.split('/').slice(1)
  for (const part of parts) {
    if (part === '..') segments.pop()
    else if (part !== '.') segments.push(part)
  }
  if (/^\.\.?$/.test(parts.at(-1) ?? '') && segments.length === 0) segments.push('')
  return `/${segments.map((segment) => escape1(segment.replaceAll('\0', '%'))).join('/')}`
}
