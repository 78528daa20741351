/**
 * What is left of a secret that leaves in pieces is counted by the byte: pieces of eight bytes and more, in any order,
 * as they are, backwards, in hexadecimal or base64, to any host that may not have it. Words that are part of a secret
 * and of everybody's vocabulary do not count. After the time that was set a piece is forgotten.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { FragmentWatch, type Leak } from '../../../src/egress/secrets/fragment-watch.ts'
import type { Destination } from '../../../src/egress/secrets/permission.ts'
import { parseHostname, type Hostname } from '../../../src/policy/host.ts'
import { Secret } from '../../../src/secrets/secret.ts'

const VALUE = `sk-test-a7Rk2Xq9Zt4Lm8Wc3Vb6Nf5Hj1PdGsYeQuTi`
const HOUR = 3_600_000
const NOW = 1_790_000_000_000

function to(host: string): Destination {
  return { authority: { host: parseHostname(host) as Hostname, port: 443 }, scheme: 'https', method: 'GET', path: '/' }
}

function watchFor(value: string, before?: FragmentWatch): FragmentWatch {
  const mayGo = ({ authority }: Destination): boolean => authority.host === 'own.test'
  return new FragmentWatch([{ name: 'KEY', value: new Secret('KEY', value), mayGo }], 3600, before)
}

/** What is said after each of the pieces. */
function send(watch: FragmentWatch, pieces: readonly (string | Buffer)[], host = 'other.test', now = NOW): Leak[] {
  return pieces.flatMap((piece) => {
    const look = watch.look(to(host), now)
    look.see(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)
    return look.worst() ?? []
  })
}

function isMost(leaks: readonly Leak[]): boolean {
  return leaks.some((leak) => leak.isMost)
}

function cut(text: string, size: number): string[] {
  return text.match(new RegExp(`.{1,${size}}`, 'gs')) ?? []
}

describe('pieces', () => {
  const forms: Readonly<Record<string, string>> = {
    'as it is': VALUE,
    backwards: Buffer.from(Buffer.from(VALUE).toReversed()).toString(),
    hexadecimal: Buffer.from(VALUE).toString('hex'),
    'hexadecimal in capitals': Buffer.from(VALUE).toString('hex').toUpperCase(),
    base64: Buffer.from(VALUE).toString('base64'),
    'base64 behind one byte': Buffer.from(`=${VALUE}`).toString('base64'),
    'base64 behind two bytes': Buffer.from(`"=${VALUE}`).toString('base64url'),
  }
  for (const [name, text] of Object.entries(forms)) {
    for (const size of [24, 31]) {
      test(`${name}, ${size} bytes each, in any order, each in other text`, () => {
        const pieces = cut(text, size).map((piece) => `{"part": "${piece}", "of": 7}`)
        assert.ok(isMost(send(watchFor(VALUE), pieces)))
        assert.ok(isMost(send(watchFor(VALUE), pieces.toReversed())))
      })
    }
  }

  test('of eight bytes', () => {
    assert.ok(isMost(send(watchFor(VALUE), cut(VALUE, 8))))
  })

  test('to many hosts', () => {
    const watch = watchFor(VALUE)
    assert.ok(isMost(cut(VALUE, 8).flatMap((piece, index) => send(watch, [piece], `h${index}.test`))))
  })

  test('in the middle of a megabyte', () => {
    const filler = Buffer.alloc(500_000, 'ordinary text, and more of it. ')
    const pieces = cut(VALUE, 15).map((piece) => Buffer.concat([filler, Buffer.from(piece), filler]))
    assert.ok(isMost(send(watchFor(VALUE), pieces)))
  })

  test('half of it is not most of it, and is said', () => {
    const [leak, ...others] = send(watchFor(VALUE), [VALUE.slice(-20)])
    assert.deepEqual(others, [])
    assert.equal(leak?.isMost, false)
    assert.ok(leak.share > 0.4 && leak.share < 0.6)
  })

  test('the same piece again adds nothing', () => {
    assert.ok(
      !isMost(
        send(
          watchFor(VALUE),
          Array.from({ length: 50 }, () => VALUE.slice(-20)),
        ),
      ),
    )
  })

  test('whoever may have it may have it in pieces', () => {
    const watch = watchFor(VALUE)
    assert.deepEqual(send(watch, cut(VALUE, 8), 'own.test'), [])
    assert.deepEqual(send(watch, ['nothing of it']), [])
  })

  test('two secrets with one value may go to where either may', () => {
    const secrets = ['one.test', 'two.test'].map((host) => ({
      name: host,
      value: new Secret(host, VALUE),
      mayGo: ({ authority }: Destination) => authority.host === host,
    }))
    const watch = new FragmentWatch(secrets, 3600)
    for (const host of ['one.test', 'two.test']) assert.deepEqual(send(watch, cut(VALUE, 8), host), [])
    assert.ok(isMost(send(watch, cut(VALUE, 8), 'three.test')))
  })
})

describe('time', () => {
  const [first, second] = [VALUE.slice(0, 24), VALUE.slice(24)]

  test('a piece is forgotten in the end', () => {
    const watch = watchFor(VALUE)
    send(watch, [first])
    assert.ok(!isMost(send(watch, [second], 'other.test', NOW + HOUR + 1000)))
    assert.ok(isMost(send(watch, [first], 'other.test', NOW + HOUR + 2000)))
  })

  test('another configuration does not forget', () => {
    const before = watchFor(VALUE)
    send(before, [first])
    assert.ok(isMost(send(watchFor(VALUE, before), [second])))
    const other = watchFor(`other-${VALUE.toLowerCase()}`, before)
    assert.ok(!isMost(send(other, [second])))
  })
})

describe('what does not count', () => {
  test('words, on their own or in a secret', () => {
    assert.ok(watchFor('correct-horse-battery-staple').isEmpty)
    assert.ok(watchFor('password123').isEmpty)
    assert.ok(watchFor('').isEmpty)
    const mixed = watchFor('production-database-x7Rk29Zq4Lm8Wc3V')
    assert.deepEqual(send(mixed, ['production-database', 'production', 'database-']), [])
    assert.ok(isMost(send(mixed, ['9Zq4Lm8Wc3V'.padStart(16, 'x7Rk2')])))
  })

  test('host and user of a connection URL', () => {
    const watch = watchFor('postgres://app:a7Rk2Xq9Zt4Lm8Wc@db7x9q2.abcdefghijkqxzvw.example.com:5432/main')
    assert.deepEqual(send(watch, ['postgres://app:hidden@db7x9q2.abcdefghijkqxzvw.example.com:5432/main']), [])
    assert.ok(isMost(send(watch, ['a7Rk2Xq9', 'Zt4Lm8Wc'])))
  })

  test('what secrets of one kind begin with', () => {
    const values = Array.from({ length: 40 }, (_, index) => `kX7-q9Z-Rk2-${index}${VALUE.slice(index % 20)}${index}`)
    const watch = new FragmentWatch(
      values.map((value, index) => ({ name: `K${index}`, value: new Secret('K', value), mayGo: () => false })),
      3600,
    )
    assert.deepEqual(send(watch, ['kX7-q9Z-Rk2-']), [])
  })
})

describe('any secret, any cut', () => {
  const alphabets = {
    letters: 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789',
    hexadecimal: '0123456789abcdef',
    small: 'abcdefghijklmnopqrstuvwxyz0123456789',
  }
  for (const [name, alphabet] of Object.entries(alphabets)) {
    const value = fc
      .noBias(fc.array(fc.constantFrom(...Array.from(alphabet)), { minLength: 32, maxLength: 80 }))
      .map((characters) => characters.join(''))
      .filter((text) => new Set(text).size > 10 && !watchFor(text).isEmpty)

    test(`${name}: all of it, in pieces of twelve to thirty bytes, is found`, () => {
      fc.assert(
        fc.property(value, fc.integer({ min: 12, max: 30 }), (text, size) => {
          const pieces = cut(text, size).map((piece) => `x=${piece}&`)
          return isMost(send(watchFor(text), pieces))
        }),
        { numRuns: 100, seed: 1 },
      )
    })

    test(`${name}: other random text is none of it`, () => {
      fc.assert(
        fc.property(value, fc.array(value, { maxLength: 20 }), (text, others) => {
          const strangers = others.filter((other) => other !== text)
          return send(watchFor(text), strangers).length === 0
        }),
        { numRuns: 100, seed: 1 },
      )
    })
  }

  test('what half of its bytes could be is never most of it', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 35 }), { maxLength: 30 }), (starts) => {
        const pieces = starts.map((start) => VALUE.slice(Math.min(start, 22), Math.min(start + 8, 24)))
        return !isMost(send(watchFor(VALUE), pieces))
      }),
    )
  })
})

describe('a value that comes later', () => {
  const mayGo = ({ authority }: Destination): boolean => authority.host === 'own.test'
  const later = (at: number) => ({
    name: `TOKEN${at}`,
    value: new Secret('TOKEN', createHash('sha256').update(`token ${at}`).digest('base64url')),
    mayGo,
  })

  test('is watched from then on, and those from before still are, with what left of them', () => {
    const watch = watchFor(VALUE)
    const [first = '', ...rest] = cut(VALUE, 16)
    send(watch, [first])
    const pieces = cut(later(1).value.reveal(), 16)
    assert.ok(!isMost(send(watch, pieces)))
    watch.add(later(1))
    watch.add(later(1))
    assert.ok(isMost(send(watch, pieces)))
    assert.ok(!isMost(send(watch, pieces, 'own.test')))
    assert.ok(isMost(send(watch, rest)))
  })

  test('of many the latest are watched, and all that were there from the beginning', () => {
    const watch = watchFor(VALUE)
    const values = Array.from({ length: 70 }, (_, at) => later(at))
    for (const value of values) watch.add(value)
    const whole = (at: number) => [values[at]?.value.reveal() ?? '']
    assert.deepEqual(
      [0, 5, 69].map((at) => isMost(send(watch, whole(at)))),
      [false, false, true],
    )
    assert.ok(isMost(send(watch, [VALUE])))
  })
})
