import { createHash, createHmac } from 'node:crypto'

/** A request that a client of AWS signs; written for the tests, sharing nothing with what it tries. */
export interface ClientRequest {
  readonly method: string
  readonly host: string
  /** As text; encoded on the way. */
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly region: string
  readonly service: string
  /** Presigned for so many seconds. */
  readonly expires?: number
  readonly now?: Date
}

export interface SignedByClient {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Signs as S3 wants it. */
export function signLikeAClient(
  request: ClientRequest,
  keys: { readonly accessKeyId: string; readonly secretAccessKey: string },
): SignedByClient {
  const { method, host, region, service, body, expires, now = new Date() } = request
  const time = now.toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`
  const hash = expires === undefined ? sha256(body) : 'UNSIGNED-PAYLOAD'
  const headers: Record<string, string> = {
    Host: host,
    ...request.headers,
    ...(expires === undefined ? { 'x-amz-date': time, 'x-amz-content-sha256': hash } : {}),
  }
  const names = Object.keys(headers).map((name) => name.toLowerCase())
  const signedHeaders = names.toSorted().join(';')
  const query = new Map(Object.entries(request.query))
  if (expires !== undefined) {
    query.set('X-Amz-Algorithm', 'AWS4-HMAC-SHA256')
    query.set('X-Amz-Credential', `${keys.accessKeyId}/${scope}`)
    query.set('X-Amz-Date', time)
    query.set('X-Amz-Expires', String(expires))
    query.set('X-Amz-SignedHeaders', signedHeaders)
  }
  const path = request.path.split('/').map(encode).join('/')
  const search = [...query]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .toSorted()
    .join('&')
  const values = Object.entries(headers)
    .map(([name, value]) => `${name.toLowerCase()}:${value.trim().replace(/ +/g, ' ')}\n`)
    .toSorted()
    .join('')
  const canonical = [method, path, search, values, signedHeaders, hash].join('\n')
  const key = scope
    .split('/')
    .reduce<Buffer>((last, part) => hmac(last, part), Buffer.from(`AWS4${keys.secretAccessKey}`))
  const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')).toString('hex')
  const url = `https://${host}${path}?${search}`
  if (expires !== undefined) return { url: `${url}&X-Amz-Signature=${signature}`, method, headers: {}, body }
  const credential = `Credential=${keys.accessKeyId}/${scope}`
  return {
    url,
    method,
    headers: {
      ...headers,
      Authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${signedHeaders}, Signature=${signature}`,
    },
    body,
  }
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
