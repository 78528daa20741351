import type { AwsRequest } from '../../../../src/egress/secrets/transforms/sigv4-verify.ts'
import { authority } from '../example.ts'

/** The examples in the documentation of Amazon S3: keys, time and signatures as they stand there. */
export const S3_KEYS = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
} as const
export const S3_NOW = new Date('2013-05-24T00:00:00Z')

const SCOPE = '20130524/us-east-1/s3/aws4_request'
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

interface Example {
  readonly method?: string
  readonly target: string
  readonly host?: string
  readonly headers?: readonly string[]
  readonly hash?: string
  readonly body?: string | Buffer
  readonly signature: string
}

function signed({
  method = 'GET',
  target,
  host,
  headers = [],
  hash = EMPTY,
  body = '',
  signature,
}: Example): AwsRequest {
  const name = host ?? 'examplebucket.s3.amazonaws.com'
  const all = ['Host', name, ...headers, 'x-amz-content-sha256', hash, 'x-amz-date', '20130524T000000Z']
  const names = all.filter((_, i) => i % 2 === 0).map((text) => text.toLowerCase())
  const value = `AWS4-HMAC-SHA256 Credential=${S3_KEYS.accessKeyId}/${SCOPE},SignedHeaders=${names.toSorted().join(';')},Signature=${signature}`
  return {
    method,
    scheme: 'https',
    authority: authority(name),
    target,
    headers: [...all, 'Authorization', value],
    body: Buffer.from(body),
  }
}

const presigned: AwsRequest = {
  method: 'GET',
  scheme: 'https',
  authority: authority('examplebucket.s3.amazonaws.com'),
  target: `/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${encodeURIComponent(`${S3_KEYS.accessKeyId}/${SCOPE}`)}&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404`,
  headers: ['Host', 'examplebucket.s3.amazonaws.com'],
  body: Buffer.alloc(0),
}

export const S3_EXAMPLES: Readonly<Record<string, AwsRequest>> = {
  'GET of an object, a range': signed({
    target: '/test.txt',
    headers: ['Range', 'bytes=0-9'],
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  }),
  'PUT of an object': signed({
    method: 'PUT',
    target: '/test%24file.text',
    headers: ['Date', 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class', 'REDUCED_REDUNDANCY'],
    hash: '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
    body: 'Welcome to Amazon S3.',
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  }),
  'GET of a lifecycle': signed({
    target: '/?lifecycle',
    signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  }),
  'GET of a list': signed({
    target: '/?max-keys=2&prefix=J',
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  }),
  'GET, presigned': presigned,
}

const PART_SIGNATURES = [
  ['10000', 'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648', 65_536],
  ['400', '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497', 1024],
  ['0', 'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9', 0],
] as const

const CHUNKED_HEADERS = [
  'x-amz-storage-class',
  'REDUCED_REDUNDANCY',
  'Content-Encoding',
  'aws-chunked',
  'x-amz-decoded-content-length',
  '66560',
]

/** 65 KiB of the letter a in signed chunks. */
export const S3_CHUNKED = signed({
  method: 'PUT',
  host: 's3.amazonaws.com',
  target: '/examplebucket/chunkObject.txt',
  headers: [...CHUNKED_HEADERS, 'Content-Length', '66824'],
  hash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  body: PART_SIGNATURES.map(
    ([size, signature, count]) => `${size};chunk-signature=${signature}\r\n${'a'.repeat(count)}\r\n`,
  ).join(''),
  signature: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
})

const TRAILER_SIGNATURES = [
  ['10000', 'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2', 65_536],
  ['400', '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7', 1024],
] as const

/** The same with a checksum after the last chunk. */
export const S3_TRAILER = signed({
  method: 'PUT',
  host: 's3.amazonaws.com',
  target: '/examplebucket/chunkObject.txt',
  headers: [...CHUNKED_HEADERS, 'x-amz-trailer', 'x-amz-checksum-crc32c'],
  hash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
  body: [
    ...TRAILER_SIGNATURES.map(
      ([size, signature, count]) => `${size};chunk-signature=${signature}\r\n${'a'.repeat(count)}\r\n`,
    ),
    '0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n',
    'x-amz-checksum-crc32c:sOO8/Q==\r\n',
    'x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n',
  ].join(''),
  signature: '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
})
