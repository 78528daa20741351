/** Values on the command line are parsed strictly, in one place, and a secret is one from the first moment. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import {
  countArgument,
  hostArgument,
  listenArgument,
  secretArgument,
  textArgument,
  transparentArgument,
} from '../../src/cli/arguments.ts'

describe('listeners', () => {
  test('IPv4, IPv6, a port of the kernel’s choice', () => {
    assert.deepEqual(listenArgument('127.0.0.1:0'), { host: '127.0.0.1', port: 0 })
    assert.deepEqual(listenArgument('[::1]:8080'), { host: '::1', port: 8080 })
    assert.deepEqual(listenArgument('[::ffff:127.0.0.1]:65535'), { host: '::ffff:127.0.0.1', port: 65535 })
  })

  const wrong = [
    '',
    '127.0.0.1',
    ':0',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '127.0.0.1:-1',
    '127.0.0.1: 1',
    '127.0.0.1:0x50',
    '127.0.0.1:80:80',
    '127.1:80',
    '0177.0.0.1:80',
    'localhost:80',
    '::1:80',
    '[127.0.0.1]:80',
    '[::1]80',
    '[::1',
    '[::1%lo]:80',
    '[1:2]:80',
    '127.0.0.1:80\n',
    '１２７.0.0.1:80',
  ]
  for (const text of wrong)
    test(JSON.stringify(text), () => assert.throws(() => listenArgument(text), /^Error: must be ADDRESS:PORT/))
})

describe('transparent listeners', () => {
  test('with and without the port that was meant', () => {
    assert.deepEqual(transparentArgument('127.0.0.1:0=443'), { host: '127.0.0.1', port: 0, meant: 443 })
    assert.deepEqual(transparentArgument('[::]:8443'), { host: '::', port: 8443 })
  })

  for (const text of [
    '',
    '=443',
    '127.0.0.1:0=',
    '127.0.0.1:0=0',
    '127.0.0.1:0=65536',
    '127.0.0.1:0=443=1',
    '127.0.0.1:0=https',
  ]) {
    test(JSON.stringify(text), () => assert.throws(() => transparentArgument(text), /^Error: must be ADDRESS:PORT/))
  }
})

describe('secrets', () => {
  test('by name', () => assert.deepEqual(secretArgument('API_KEY'), { name: 'API_KEY' }))

  test('by value, whatever is in it', () => {
    for (const value of ['x', '=', 'a=b', '-v', '-----BEGIN KEY-----\nabc\n', ' ']) {
      const { name, value: secret } = secretArgument(`API_KEY=${value}`)
      assert.equal(name, 'API_KEY')
      assert.equal(secret?.reveal(), value)
    }
  })

  test('the value does not show, however it is printed', () => {
    const argument = secretArgument('API_KEY=hunter2')
    for (const shown of [inspect(argument), JSON.stringify(argument), String(argument.value)]) {
      assert.doesNotMatch(shown, /hunter2/)
    }
  })

  for (const text of [
    '',
    '=',
    '=x',
    '1A=hunter2',
    'A B=hunter2',
    'A-B',
    'A=',
    'Ä=hunter2',
    `${'A'.repeat(129)}=hunter2`,
  ]) {
    test(JSON.stringify(text), () => {
      assert.throws(
        () => secretArgument(text),
        (error: Error) => !error.message.includes('hunter2') && error.message.length < 100,
      )
    })
  }
})

test('hosts take their one form', () => {
  assert.equal(hostArgument('API.Example.COM.'), 'api.example.com')
  assert.equal(hostArgument('[::1]'), '::1')
  for (const text of ['', '*', '*.a.example', 'a.example:443', 'http://a.example', 'bücher.example', 'a b']) {
    assert.throws(() => hostArgument(text), /^Error: must be a host name/)
  }
})

test('counts', () => {
  assert.equal(countArgument('0'), 0)
  assert.equal(countArgument('100'), 100)
  for (const text of ['', '-1', '1.5', '1e3', '0x10', ' 1', '1 ', '9999999999', 'NaN'])
    assert.throws(() => countArgument(text))
})

test('text is not empty', () => {
  assert.equal(textArgument('x'), 'x')
  assert.throws(() => textArgument(''), /^Error: must not be empty$/)
})
