/**
 * A host has exactly one spelling inside agentcage, and what is not exactly one host is refused: decisions, secrets and
 * certificates are bound to that spelling. Refused is above all what two programs could read as different hosts.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatAuthority, isAddress, isWithin, parseAuthority, parseHostname, zonesOf } from '../../src/policy/host.ts'
import { fuzz, mutate } from '../support/fuzz.ts'

const spellings: Readonly<Record<string, string>> = {
  'api.test': 'api.test',
  'API.Test': 'api.test',
  'api.test.': 'api.test',
  localhost: 'localhost',
  '_acme-challenge.api.test': '_acme-challenge.api.test',
  'xn--bcher-kva.test': 'xn--bcher-kva.test',
  '1password.com': '1password.com',
  'a.1b': 'a.1b',
  '10.0.0.1': '10.0.0.1',
  '::1': '::1',
  '[::1]': '::1',
  '[2001:DB8:0:0:0:0:0:1]': '2001:db8::1',
  '[::ffff:127.0.0.1]': '::ffff:7f00:1',
}

for (const [text, host] of Object.entries(spellings)) {
  test(`reads ${text} as ${host}`, () => assert.equal(parseHostname(text), host))
}

const hostile: Readonly<Record<string, string>> = {
  'nothing at all': '',
  'only the root': '.',
  'two trailing dots': 'api.test..',
  'an empty label': 'api..test',
  'a leading dot': '.api.test',
  'hexadecimal IPv4': '0x7f.1',
  'hexadecimal IPv4 without dots': '0x7f000001',
  'a hexadecimal last part': 'api.0x',
  'decimal IPv4 without dots': '2130706433',
  'short IPv4': '127.1',
  'octal IPv4': '0177.0.0.1',
  'IPv4 with a leading zero': '127.0.0.01',
  'IPv4 with a trailing dot': '127.0.0.1.',
  'IPv4 with five parts': '1.2.3.4.5',
  'IPv4 out of range': '256.0.0.1',
  'a name that ends in a number': 'api.test.1',
  'KELVIN SIGN, which lower-cases to k': 'api.\u212A.test',
  'LATIN SMALL LETTER LONG S, which upper-cases to S': 'api.te\u017Ft',
  'a fullwidth letter': '\uFF41pi.test',
  'an ideographic full stop': 'api\u3002test',
  'a U-label': 'b\u00FCcher.test',
  'a soft hyphen': 'a\u00ADpi.test',
  'an IPv6 zone': 'fe80::1%eth0',
  'an IPv6 zone in brackets': '[fe80::1%25eth0]',
  'a zone that names nothing': '::1%',
  'an IPv6 address that is not closed': '[::1',
  'IPv4 in brackets': '[127.0.0.1]',
  'a name in brackets': '[api.test]',
  IPvFuture: '[v1.fe80]',
  'percent-encoding': 'api%2etest',
  'a percent-encoded NUL': 'api.test%00.evil.test',
  NUL: 'api.test\0.evil.test',
  'a line break': 'api.test\r\nX: y',
  'a space before': ' api.test',
  'a space after': 'api.test ',
  'a tab': 'api\t.test',
  'a slash': 'api.test/evil.test',
  'a backslash': 'api.test\\evil.test',
  'a question mark': 'api.test?evil.test',
  'a number sign': 'api.test#evil.test',
  'user information': 'evil@api.test',
  'a comma': 'api.test,evil.test',
  'a semicolon': 'api.test;evil.test',
  'an asterisk': '*.api.test',
  'a port': 'api.test:443',
  'a label that starts with a hyphen': '-api.test',
  'a label that ends with a hyphen': 'api-.test',
  'a label of 64 characters': `${'a'.repeat(64)}.test`,
  'a name of 254 characters': `${'a.'.repeat(125)}test`,
  'a very long text': 'a'.repeat(100_000),
}

for (const [what, text] of Object.entries(hostile)) {
  test(`refuses ${what}`, () => assert.equal(parseHostname(text), undefined))
}

test('the longest label and the longest name are read', () => {
  const label = 'a'.repeat(63)
  const name = `${label}.${label}.${label}.${'a'.repeat(61)}`
  assert.equal(name.length, 253)
  assert.equal(parseHostname(name), name)
  assert.equal(parseHostname(`${name}.`), name)
})

test('what is read is read again as itself', () => {
  const character = fc.constantFrom(...'aZ09-_.:[]%xX\u212A\u0130 /@'.split(''))
  fc.assert(
    fc.property(fc.string({ unit: character, maxLength: 24 }), (text) => {
      const host = parseHostname(text)
      if (host === undefined) return
      assert.equal(parseHostname(host), host)
      assert.match(host, /^[a-z0-9._:-]+$/)
    }),
  )
})

const authorities: Readonly<Record<string, readonly [string, number] | undefined>> = {
  'api.test:443': ['api.test', 443],
  'API.test.:443': ['api.test', 443],
  'api.test': ['api.test', 80],
  '[::1]:443': ['::1', 443],
  '[::1]': ['::1', 80],
  '10.0.0.1:8080': ['10.0.0.1', 8080],
  'api.test:00080': ['api.test', 80],
  '': undefined,
  ':443': undefined,
  'api.test:': undefined,
  'api.test:0': undefined,
  'api.test:65536': undefined,
  'api.test:099999': undefined,
  'api.test:+80': undefined,
  'api.test: 80': undefined,
  'api.test:80 ': undefined,
  'api.test:80:80': undefined,
  'api.test:0x50': undefined,
  'api.test:http': undefined,
  '::1:443': undefined,
  '::1': undefined,
  '[::1]443': undefined,
  '[::1]evil.test:443': undefined,
  '[::1%25lo]:443': undefined,
  'user@api.test:443': undefined,
  'user:password@api.test:443': undefined,
  'api.test:443@evil.test': undefined,
  'api.test:443/path': undefined,
  'http://api.test:443': undefined,
}

for (const [text, expected] of Object.entries(authorities)) {
  test(`authority ${JSON.stringify(text)} ${expected === undefined ? 'is refused' : `is ${expected.join(' ')}`}`, () => {
    const parsed = parseAuthority(text, 80)
    assert.deepEqual(parsed, expected === undefined ? undefined : { host: expected[0], port: expected[1] })
  })
}

test('without a default, an authority needs its port', () => {
  assert.equal(parseAuthority('api.test'), undefined)
  assert.deepEqual(parseAuthority('api.test:443'), { host: 'api.test', port: 443 })
})

test('formatting is the inverse of parsing', () => {
  const host = fc.oneof(
    fc.domain(),
    fc.ipV4(),
    fc.ipV6().map((text) => `[${text}]`),
  )
  fc.assert(
    fc.property(host, fc.integer({ min: 1, max: 65535 }), (text, port) => {
      const parsed = parseAuthority(`${text}:${port}`)
      if (parsed === undefined) return
      assert.deepEqual(parseAuthority(formatAuthority(parsed)), parsed)
    }),
  )
})

test('an address has no parent zones', () => {
  const address = known('10.0.0.1')
  assert.deepEqual([...zonesOf(address)], ['10.0.0.1'])
  assert.equal(isWithin(address, known('localhost')), false)
  assert.ok(isAddress(address) && isAddress(known('::1')) && !isAddress(known('api.test')))
})

test('a subdomain is one whose last labels are the zone, and nothing else is', () => {
  const label = fc.constantFrom('a', 'b', 'ab', 'test', 'a-b')
  const name = fc.array(label, { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(name, name, (labels, zoneLabels) => {
      const [host, zone] = [known(labels.join('.')), known(zoneLabels.join('.'))]
      const expected = zoneLabels.join('.') === labels.slice(-zoneLabels.length).join('.')
      assert.equal(isWithin(host, zone), expected)
      assert.equal([...zonesOf(host)].includes(zone), expected)
    }),
  )
})

test('mutated hosts are read as a host in normal form or not at all', (t) =>
  fuzz(t, { runs: 5000 }, (random) => {
    const corpus = Object.keys(spellings).map((text) => Buffer.from(text))
    const text = mutate(random, random.pick(corpus), { corpus }).toString('latin1')
    const host = parseHostname(text)
    if (host !== undefined) assert.equal(parseHostname(host), host)
    const authority = parseAuthority(text, 443)
    if (authority !== undefined) assert.deepEqual(parseAuthority(formatAuthority(authority)), authority)
  }))

function known(text: string) {
  const host = parseHostname(text)
  assert.ok(host !== undefined, text)
  return host
}
