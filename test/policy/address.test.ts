/**
 * The egress dials public addresses only. A name that its owner points at the host itself, the local network or a
 * metadata service leads nowhere, in whatever form the address is written, unless the configuration names the range.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AddressGuard, parseAddressRange } from '../../src/policy/address.ts'

/** The first and the last address of each special range (IANA special-purpose registries), and forms that hide one. */
const forbidden: Readonly<Record<string, readonly string[]>> = {
  'this network': ['0.0.0.0', '0.255.255.255'],
  'RFC 1918, 10/8': ['10.0.0.0', '10.255.255.255'],
  'carrier-grade NAT': ['100.64.0.0', '100.100.100.200', '100.127.255.255'],
  loopback: ['127.0.0.0', '127.0.0.1', '127.255.255.255'],
  'link-local, cloud metadata': ['169.254.0.0', '169.254.169.254', '169.254.170.2', '169.254.255.255'],
  'RFC 1918, 172.16/12': ['172.16.0.0', '172.31.255.255'],
  'IETF protocol assignments': ['192.0.0.0', '192.0.0.192', '192.0.0.255'],
  documentation: ['192.0.2.1', '198.51.100.1', '203.0.113.255'],
  'AS112 and AMT': ['192.31.196.1', '192.52.193.1', '192.175.48.1'],
  '6to4 relay': ['192.88.99.1'],
  'RFC 1918, 192.168/16': ['192.168.0.0', '192.168.255.255'],
  benchmarking: ['198.18.0.0', '198.19.255.255'],
  multicast: ['224.0.0.1', '239.255.255.255'],
  reserved: ['240.0.0.0', '255.255.255.255'],
  'the platform service of Azure': ['168.63.129.16'],
  'unspecified and loopback, IPv6': ['::', '::1'],
  'IPv4-compatible': ['::7f00:1', '::127.0.0.1'],
  'IPv4-mapped': ['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:8.8.8.8', '0:0:0:0:0:FFFF:7F00:0001'],
  'IPv4-translated': ['::ffff:0:127.0.0.1'],
  NAT64: ['64:ff9b::127.0.0.1', '64:ff9b::a9fe:a9fe', '64:ff9b:1::1', '64:ff9b:1:ffff::1'],
  'discard only': ['100::1'],
  'Teredo and other assignments': ['2001::1', '2001:0:7f00:1::', '2001:1ff:ffff::'],
  'documentation, IPv6': ['2001:db8::1', '3fff::1', '3fff:fff::1'],
  '6to4 of any address': ['2002:7f00::', '2002:7f00:1::', '2002:a9fe:a9fe::1', '2002:808:808::1'],
  'segment routing': ['5f00::1'],
  'unique local, metadata of AWS': ['fc00::', 'fd00:ec2::254', 'fdff:ffff::1'],
  'link-local, IPv6': ['fe80::1', 'febf::1'],
  'site-local': ['fec0::1', 'feff::1'],
  'multicast, IPv6': ['ff00::', 'ff02::1'],
}

for (const [what, addresses] of Object.entries(forbidden)) {
  for (const address of addresses) {
    test(`${address} is refused: ${what}`, () => assert.equal(new AddressGuard([]).permits(address), false))
  }
}

const permitted = [
  '8.8.8.8',
  '1.1.1.1',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '126.255.255.255',
  '128.0.0.0',
  '169.253.255.255',
  '172.15.255.255',
  '172.32.0.0',
  '192.167.255.255',
  '192.169.0.0',
  '198.17.255.255',
  '198.20.0.0',
  '223.255.255.255',
  '168.63.129.15',
  '2606:4700:4700::1111',
  '2a00:1450:4001::200e',
  '2001:200::1',
  '2003::1',
]

for (const address of permitted) {
  test(`${address} is a public address`, () => assert.equal(new AddressGuard([]).permits(address), true))
}

test('what is no address is refused', () => {
  for (const text of [
    '',
    'api.test',
    '8.8.8',
    '8.8.8.8.8',
    '0x8.8.8.8',
    '8.8.8.8%eth0',
    'fe80::1%lo',
    '[::1]',
    '010.8.8.8',
    ' 8.8.8.8',
  ]) {
    assert.equal(new AddressGuard([]).permits(text), false, text)
  }
})

test('a range that the configuration names is permitted, and nothing beside it', () => {
  const guard = new AddressGuard(['10.1.0.0/16', '127.0.0.1', 'fd00::/8'])
  assert.deepEqual(
    ['10.1.0.0', '10.1.255.255', '127.0.0.1', 'fd00:ec2::254'].map((address) => guard.permits(address)),
    [true, true, true, true],
  )
  assert.deepEqual(
    ['10.0.255.255', '10.2.0.0', '127.0.0.2', 'fc00::1', '::1'].map((address) => guard.permits(address)),
    [false, false, false, false, false],
  )
})

test('naming an IPv4 address does not permit the forms that hide it', () => {
  const guard = new AddressGuard(['127.0.0.1', '0.0.0.0/0'])
  for (const address of ['::ffff:127.0.0.1', '::127.0.0.1', '64:ff9b::127.0.0.1', '2002:7f00:1::']) {
    assert.equal(guard.permits(address), false, address)
  }
})

test('ranges are read strictly', () => {
  assert.deepEqual(parseAddressRange('10.0.0.0/8'), { address: '10.0.0.0', prefix: 8, family: 'ipv4' })
  assert.deepEqual(parseAddressRange('::1'), { address: '::1', prefix: 128, family: 'ipv6' })
  for (const text of [
    '',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10/8',
    'api.test/8',
    '10.0.0.0/ 8',
    '10.0.0.0/0x8',
  ]) {
    assert.equal(parseAddressRange(text), undefined, text)
  }
  assert.throws(() => new AddressGuard(['everything']), TypeError)
})

test('an IPv4 address is permitted exactly when no special range holds it', () => {
  const ranges: readonly (readonly [number, number])[] = [
    [0x00000000, 8],
    [0x0a000000, 8],
    [0x64400000, 10],
    [0x7f000000, 8],
    [0xa9fe0000, 16],
    [0xac100000, 12],
    [0xc0000000, 24],
    [0xc0000200, 24],
    [0xc01fc400, 24],
    [0xc034c100, 24],
    [0xc0586300, 24],
    [0xc0a80000, 16],
    [0xc0af3000, 24],
    [0xc6120000, 15],
    [0xc6336400, 24],
    [0xcb007100, 24],
    [0xe0000000, 4],
    [0xf0000000, 4],
    [0xa83f8110, 32],
  ]
  const guard = new AddressGuard([])
  const near = fc
    .constantFrom(...ranges)
    .chain(([base, prefix]) =>
      fc
        .integer({ min: -2, max: 2 })
        .chain((offset) => fc.constantFrom(base + offset, base + 2 ** (32 - prefix) + offset)),
    )
  fc.assert(
    fc.property(fc.oneof(fc.nat(0xffffffff), near), (number) => {
      const value = ((number % 2 ** 32) + 2 ** 32) % 2 ** 32
      const address = [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.')
      const isSpecial = ranges.some(([base, prefix]) => value >= base && value < base + 2 ** (32 - prefix))
      assert.equal(guard.permits(address), !isSpecial, address)
    }),
  )
})
