import { headerValues, type HeaderList } from '../../http/headers.ts'
import { TransformRefused } from './refusal.ts'
import { parseQuery, splitTarget } from './sigv4-canonical.ts'
import { ALGORITHM, type SigningTime } from './sigv4-signature.ts'

/** What a request says of its signature, in `Authorization` or in its query ("presigned"). Nothing of it is verified. */
export interface SignatureClaim extends SigningTime {
  readonly place: 'header' | 'query'
  readonly accessKeyId: string
  /** In lower case, sorted; `host` is among them. */
  readonly signedHeaders: readonly string[]
  /** 64 hex digits. */
  readonly signature: string
  /** Seconds for which a presigned URL counts; 0 in a header. */
  readonly expires: number
}

const CREDENTIAL = /^([A-Za-z0-9_]{8,128})\/(\d{8})\/([a-z0-9-]{1,64})\/([A-Za-z0-9-]{1,64})\/aws4_request$/
const SIGNED_HEADERS = /^[a-z0-9!#$%&'*+.^_`|~-]+(?:;[a-z0-9!#$%&'*+.^_`|~-]+)*$/
const SIGNATURE = /^[0-9a-f]{64}$/
const TIME = /^\d{8}T\d{6}Z$/
/** Seven days, the most that AWS takes. */
const MAX_EXPIRES = 604_800

/**
 * The signature that a request bears; undefined when it bears none. Throws TransformRefused for one that is malformed,
 * given twice, or of a kind that cannot be made anew.
 */
export function readClaim(request: {
  readonly target: string
  readonly headers: HeaderList
}): SignatureClaim | undefined {
  const authorization = headerValues(request.headers, 'authorization').filter((value) => /^AWS4-/i.test(value))
  const query = new Map<string, string[]>()
  for (const [name, value] of parseQuery(splitTarget(request.target)[1])) {
    if (name.startsWith('X-Amz-')) query.set(name, [...(query.get(name) ?? []), value])
  }
  if (authorization.length === 0) return query.has('X-Amz-Algorithm') ? fromQuery(query) : undefined
  if (authorization.length > 1 || query.has('X-Amz-Algorithm')) throw refused('a request has one signature')
  return fromHeader(authorization[0] as string, headerValues(request.headers, 'x-amz-date'))
}

function fromHeader(authorization: string, dates: readonly string[]): SignatureClaim {
  const [algorithm = '', rest = ''] = authorization.split(/ +(.*)/s)
  const parts = new Map(
    rest.split(',').map((part) => {
      const [name = '', value = ''] = part.trim().split(/=(.*)/s)
      return [name, value]
    }),
  )
  if (parts.size !== 3 || rest.split(',').length !== 3) throw refused('Authorization is malformed')
  const [time, ...others] = dates
  if (time === undefined || others.length > 0) throw refused('a signed request has one X-Amz-Date')
  return claim('header', {
    algorithm,
    credential: parts.get('Credential'),
    signedHeaders: parts.get('SignedHeaders'),
    signature: parts.get('Signature'),
    time,
    expires: '0',
  })
}

function fromQuery(query: ReadonlyMap<string, readonly string[]>): SignatureClaim {
  for (const [name, values] of query) if (values.length > 1) throw refused(`${name} is given twice`)
  return claim('query', {
    algorithm: query.get('X-Amz-Algorithm')?.[0],
    credential: query.get('X-Amz-Credential')?.[0],
    signedHeaders: query.get('X-Amz-SignedHeaders')?.[0],
    signature: query.get('X-Amz-Signature')?.[0],
    time: query.get('X-Amz-Date')?.[0],
    expires: query.get('X-Amz-Expires')?.[0],
  })
}

type Parts = Readonly<
  Record<'algorithm' | 'credential' | 'signedHeaders' | 'signature' | 'time' | 'expires', string | undefined>
>

function claim(place: SignatureClaim['place'], parts: Parts): SignatureClaim {
  const { algorithm, credential = '', signedHeaders = '', signature = '', time = '', expires = '' } = parts
  if (algorithm !== ALGORITHM) throw refused(`signatures must be ${ALGORITHM}`)
  const [, accessKeyId, date, region, service] = CREDENTIAL.exec(credential) ?? []
  if (accessKeyId === undefined || date === undefined || region === undefined || service === undefined)
    throw refused('the credential is malformed')
  if (!SIGNATURE.test(signature)) throw refused('the signature is not 64 hex digits')
  if (!TIME.test(time) || !time.startsWith(date)) throw refused('X-Amz-Date and the credential do not agree')
  if (!/^\d{1,6}$/.test(expires) || Number(expires) > MAX_EXPIRES) throw refused('X-Amz-Expires is not within a week')
  const names = SIGNED_HEADERS.test(signedHeaders) ? signedHeaders.split(';') : []
  if (!names.includes('host')) throw refused('the header host is not signed')
  if (names.some((name, index) => index > 0 && (names[index - 1] as string) >= name))
    throw refused('the signed headers are not sorted')
  return {
    place,
    accessKeyId,
    scope: { date, region, service },
    time,
    signedHeaders: names,
    signature,
    expires: Number(expires),
  }
}

function refused(problem: string): TransformRefused {
  return new TransformRefused('request', `the AWS signature cannot be used: ${problem}`)
}
