/** One request of the test suite that AWS publishes for Signature Version 4, and its signatures there. */
export interface SigningVector {
  readonly name: string
  readonly method: string
  /** As UTF-8 text. */
  readonly target: string
  readonly headers: readonly string[]
  readonly body?: string
  /** The session token, which is signed. */
  readonly token?: string
  /** Signature in `Authorization`. */
  readonly header: string
  /** Signature of the URL, presigned for an hour. */
  readonly query: string
}

export const VECTOR_KEYS = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
} as const

/** 2015-08-30, us-east-1, service `service`. */
export const VECTOR_SCOPE = { date: '20150830', region: 'us-east-1', service: 'service' } as const
export const VECTOR_TIME = '20150830T123600Z'

export const VECTORS: readonly SigningVector[] = [
  {
    name: 'get-header-key-duplicate',
    method: 'GET',
    target: '/',
    headers: ['Host', 'example.amazonaws.com', 'My-Header1', 'value2', 'My-Header1', 'value2', 'My-Header1', 'value1'],
    header: 'c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea',
    query: '3349ee0b81b4b589da0ff28a395c3591e04de515651dd74f298fa992d1507a97',
  },
  {
    name: 'get-header-value-order',
    method: 'GET',
    target: '/',
    headers: [
      'Host',
      'example.amazonaws.com',
      'My-Header1',
      'value4',
      'My-Header1',
      'value1',
      'My-Header1',
      'value3',
      'My-Header1',
      'value2',
    ],
    header: '08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01',
    query: '313720e71ca6202fdcfa9b20f88de01a4eb0638a83c833b1c184359a4eda864e',
  },
  {
    name: 'get-header-value-trim',
    method: 'GET',
    target: '/',
    headers: ['Host', 'example.amazonaws.com', 'My-Header1', ' value1', 'My-Header2', ' "a   b   c"'],
    header: 'acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736',
    query: 'e7bb0fd515e125e1aec2ecc4c0c17484fb06f6846b927c35e46005dd3df3acd4',
  },
  {
    name: 'get-relative-normalized',
    method: 'GET',
    target: '/example/..',
    headers: ['Host', 'example.amazonaws.com'],
    header: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    query: 'e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d',
  },
  {
    name: 'get-relative-relative-normalized',
    method: 'GET',
    target: '/example1/example2/../..',
    headers: ['Host', 'example.amazonaws.com'],
    header: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    query: 'e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d',
  },
  {
    name: 'get-slash-dot-slash-normalized',
    method: 'GET',
    target: '/./',
    headers: ['Host', 'example.amazonaws.com'],
    header: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    query: 'e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d',
  },
  {
    name: 'get-slash-normalized',
    method: 'GET',
    target: '//',
    headers: ['Host', 'example.amazonaws.com'],
    header: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    query: 'e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d',
  },
  {
    name: 'get-slash-pointless-dot-normalized',
    method: 'GET',
    target: '/./example',
    headers: ['Host', 'example.amazonaws.com'],
    header: 'ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5',
    query: '35034b1a0bdd969f346975386daf8aedfd4976573b8348cf4f67eaa41c5857de',
  },
  {
    name: 'get-slashes-normalized',
    method: 'GET',
    target: '//example//',
    headers: ['Host', 'example.amazonaws.com'],
    header: '9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84',
    query: 'c1834e8fb0307243711f0f907f6ab7311ed300d87f13792d7ee4da89ab93e082',
  },
  {
    name: 'get-space-normalized',
    method: 'GET',
    target: '/example space/',
    headers: ['Host', 'example.amazonaws.com'],
    header: '652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741',
    query: '7a1f416954786484c9824d93c1f26ef64acb9b1b6c9154d08c9f07d0e394abf6',
  },
  {
    name: 'get-unreserved',
    method: 'GET',
    target: '/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
    headers: ['Host', 'example.amazonaws.com'],
    header: '07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f',
    query: '95968482db1b9e0fadef6efc1bd24689f77c77d9ef56919c96a28cc92e0d6005',
  },
  {
    name: 'get-utf8',
    method: 'GET',
    target: '/ሴ',
    headers: ['Host', 'example.amazonaws.com'],
    header: '8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85',
    query: '10eae3f14a260bd3911cc6d008d3c576d143b05b62f09782a7a4b37f52178e44',
  },
  {
    name: 'get-vanilla-empty-query-key',
    method: 'GET',
    target: '/?Param1=value1',
    headers: ['Host', 'example.amazonaws.com'],
    header: 'a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb',
    query: '49096700cbbaa5753443850f40df10f904fc2fdb544dc9512203cc77c471a9de',
  },
  {
    name: 'get-vanilla-query-order-encoded',
    method: 'GET',
    target: '/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1',
    headers: ['Host', 'example.amazonaws.com'],
    header: '371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac',
    query: 'c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787',
  },
  {
    name: 'get-vanilla-query-order-key-case',
    method: 'GET',
    target: '/?Param2=value2&Param1=value1',
    headers: ['Host', 'example.amazonaws.com'],
    header: 'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
    query: '86012e2c9ad4d77369f5d81c11f75158aae4f895a085212cc6d3f923d300bed5',
  },
  {
    name: 'get-vanilla-query-unreserved',
    method: 'GET',
    target:
      '/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
    headers: ['Host', 'example.amazonaws.com'],
    header: '9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197',
    query: '8e76a88a7433637b12778d5592799b29ad21ecd6cf6325051c21d86f0acda2bf',
  },
  {
    name: 'get-vanilla-query',
    method: 'GET',
    target: '/',
    headers: ['Host', 'example.amazonaws.com'],
    header: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    query: 'e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d',
  },
  {
    name: 'get-vanilla-utf8-query',
    method: 'GET',
    target: '/?ሴ=bar',
    headers: ['Host', 'example.amazonaws.com'],
    header: '2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04',
    query: '0bdd809b1519ac4f0c1dc3540e2cc46bd0c7f778eda408b2ebf3b913d21ff600',
  },
  {
    name: 'get-vanilla-with-session-token',
    method: 'GET',
    target: '/',
    headers: ['Host', 'example.amazonaws.com'],
    token: '6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267',
    header: '07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8',
    query: '7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c',
  },
  {
    name: 'get-vanilla',
    method: 'GET',
    target: '/',
    headers: ['Host', 'example.amazonaws.com'],
    header: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    query: 'e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d',
  },
  {
    name: 'post-header-key-case',
    method: 'POST',
    target: '/',
    headers: ['Host', 'example.amazonaws.com'],
    header: '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
    query: '2ce6e6d2e0cf2f9d1b55fafec88cd20574c31dc2e7631979f71ba2310083e95b',
  },
  {
    name: 'post-header-key-sort',
    method: 'POST',
    target: '/',
    headers: ['Host', 'example.amazonaws.com', 'My-Header1', 'value1'],
    header: 'c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c',
    query: 'c09d07e0d55871f10f2a6d350d994acf6825a3cae70673d7def55616e6119dd7',
  },
  {
    name: 'post-header-value-case',
    method: 'POST',
    target: '/',
    headers: ['Host', 'example.amazonaws.com', 'My-Header1', 'VALUE1'],
    header: 'cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d',
    query: '0698bc9e4f7f9139065ba2909c0e99da257e8e2a42492a097bcd46d792391fed',
  },
  {
    name: 'post-vanilla-empty-query-value',
    method: 'POST',
    target: '/?Param1=value1',
    headers: ['Host', 'example.amazonaws.com'],
    header: '28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11',
    query: 'a9ef26247f293bffe40eeff86a0480ba8c14d31503b2e0c3399e3a16bf1a3682',
  },
  {
    name: 'post-vanilla-query',
    method: 'POST',
    target: '/?Param1=value1',
    headers: ['Host', 'example.amazonaws.com'],
    header: '28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11',
    query: 'a9ef26247f293bffe40eeff86a0480ba8c14d31503b2e0c3399e3a16bf1a3682',
  },
  {
    name: 'post-vanilla',
    method: 'POST',
    target: '/',
    headers: ['Host', 'example.amazonaws.com'],
    header: '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
    query: '2ce6e6d2e0cf2f9d1b55fafec88cd20574c31dc2e7631979f71ba2310083e95b',
  },
  {
    name: 'post-x-www-form-urlencoded-parameters',
    method: 'POST',
    target: '/',
    headers: [
      'Content-Type',
      'application/x-www-form-urlencoded; charset=utf-8',
      'Host',
      'example.amazonaws.com',
      'Content-Length',
      '13',
    ],
    body: 'Param1=value1',
    header: '328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422',
    query: '0dbeb9b026c7b6675f266b8427efec9b4fa8b1f6ef1477d717aea231106eab4d',
  },
  {
    name: 'post-x-www-form-urlencoded',
    method: 'POST',
    target: '/',
    headers: [
      'Content-Type',
      'application/x-www-form-urlencoded',
      'Host',
      'example.amazonaws.com',
      'Content-Length',
      '13',
    ],
    body: 'Param1=value1',
    header: 'd3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b',
    query: '89a40deed0f26f9461242825a082d2222717248abc7ab41f552ad84a94ad46e9',
  },
]
