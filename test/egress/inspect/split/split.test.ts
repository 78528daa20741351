/**
 * Secrets that leave in pieces are put together again: from one place of many requests (a parameter, a segment, a field,
 * a label, a word of a body), from whole bodies and messages, from several hosts, in any encoding of the whole or of the
 * pieces, and in the order of numbers beside them. What is blocked stays blocked when it is tried again.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Sent } from '../entropy-traffic.ts'
import { Cage, cut, TOKEN, VALUE, type Message } from './traffic.ts'

const SECRETS = { 'a known value': VALUE, 'a credential': TOKEN } as const

/** How one piece leaves: with what changes beside it, and what stays. */
const PLACES: Readonly<Record<string, (piece: string, index: number) => Sent | Message>> = {
  'a parameter': (piece) => ({ path: `/log?level=info&m=${piece}` }),
  'a parameter, escaped': (piece) => ({
    path: `/log?m=${piece.replace(/./g, (character) => `%${character.charCodeAt(0).toString(16)}`)}`,
  }),
  'parameters with numbers': (piece, index) => ({ path: `/log?part${index}=${piece}` }),
  'a segment': (piece) => ({ path: `/v1/items/${piece}/view` }),
  'a field': (piece) => ({ path: '/', headers: ['Accept', '*/*', 'X-Request-Id', piece] }),
  'a field with number': (piece, index) => ({ path: '/', headers: [`X-Part-${index}`, piece] }),
  'a cookie': (piece, index) => ({ path: '/', headers: ['Cookie', `theme=dark; n=${index}; session=${piece}`] }),
  'a body': (piece) => ({ method: 'POST', type: 'text/plain', body: piece }),
  'a word of JSON': (piece, index) => ({
    method: 'POST',
    type: 'application/json',
    body: JSON.stringify({ sequence: index, time: 1_790_000_000 + index * 17, data: piece, last: false }),
  }),
  'a field of a form': (piece, index) => ({
    method: 'POST',
    type: 'application/x-www-form-urlencoded',
    body: `event=click&n=${index}&x=${piece}`,
  }),
  'a message': (piece) => ({ message: piece }),
  'a word of a message': (piece, index) => ({ message: `{"op":"set","id":${index},"value":"${piece}"}` }),
  'a message of gRPC': (piece) => ({ message: Buffer.from(`\x0a\x02id\x12${piece}\x18\x01`, 'latin1') }),
  'a parameter, to several hosts': (piece, index) => ({ host: `host${index % 5}.test`, path: `/?q=${piece}` }),
}
const filler = ' ordinary words of a long text. '.repeat(200)

for (const [kind, secret] of Object.entries(SECRETS)) {
  describe(kind, () => {
    for (const [place, request] of Object.entries(PLACES)) {
      for (const size of [1, 3, 8, 20]) {
        test(`${place}, ${size} bytes each`, async () => {
          assert.equal(await new Cage().blocks(cut(secret, size).map(request)), true)
        })
      }
    }

    test('over the edges of large bodies', async () => {
      const [first, second] = [secret.slice(0, 19), secret.slice(19)]
      const bodies = [`${filler}${first}`, `${second}${filler}`].map((body): Sent => ({ method: 'PUT', body }))
      assert.equal(await new Cage().blocks(bodies), true)
    })

    test('in labels of hosts', async () => {
      const cage = new Cage({ domains: { list: ['zone.test'] } })
      const labels = cut(Buffer.from(secret).toString('hex'), 16)
      assert.equal(await cage.blocks(labels.map((label) => ({ host: `${label}.zone.test`, path: '/' }))), true)
    })

    test('in names that DNS is asked for', async () => {
      const cage = new Cage({ domains: { list: ['zone.test'] } })
      const labels = cut(Buffer.from(secret).toString('hex'), 16)
      const denials = labels.map((label) => cage.ask(`${label}.zone.test`).denial)
      assert.ok(denials.some((denial) => denial !== undefined))
    })

    test('in one request, one parameter each', async () => {
      const query = cut(secret, 5).map((piece, index) => `${'abcdefghijk'[index]}=${piece}`)
      assert.notDeepEqual(await new Cage().reasons([{ path: `/?${query.join('&')}` }]), [])
      const list = cut(secret, 5).map((piece) => `v=${piece}`)
      assert.equal(await new Cage().blocks([{ path: `/?${list.join('&')}` }]), true)
    })

    for (const encoding of ['hex', 'base64', 'base64url'] as const) {
      test(`${encoding} of the whole, then cut`, async () => {
        const encoded = Buffer.from(secret).toString(encoding)
        for (const size of [3, 7, 20])
          assert.equal(
            await new Cage().blocks(cut(encoded, size).map((piece) => ({ path: `/?q=${encodeURIComponent(piece)}` }))),
            true,
            `${size} bytes each`,
          )
      })

      test(`${encoding} of each piece`, async () => {
        for (const size of [3, 5, 8, 16])
          assert.equal(
            await new Cage().blocks(
              cut(secret, size).map((piece) => ({
                path: `/?q=${encodeURIComponent(Buffer.from(piece).toString(encoding))}`,
              })),
            ),
            true,
            `${size} bytes each`,
          )
      })
    }

    test('in the order of the numbers beside them', async () => {
      const pieces = cut(secret, 4).map((piece, index) => ({ piece, index }))
      const orders = [pieces.toReversed(), pieces.toSorted((a, b) => ((a.index * 7) % 10) - ((b.index * 7) % 10))]
      for (const order of orders) {
        const requests = order.map(({ piece, index }) => ({ path: `/?i=${index}&q=${piece}` }))
        assert.equal(await new Cage().blocks(requests), true, 'beside')
        const named = order.map(({ piece, index }) => ({ path: `/?q${index}=${piece}` }))
        assert.equal(await new Cage().blocks(named), true, 'in the name')
        const words = order.map(({ piece, index }) => ({ message: `{"n":${index},"d":"${piece}"}` }))
        assert.equal(await new Cage().blocks(words), true, 'in a message')
      }
    })

    test('any cut', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 40, maxLength: 40 }), async (sizes) => {
          let at = 0
          const pieces = sizes.map((size) => secret.slice(at, (at += size))).filter((piece) => piece !== '')
          return new Cage().blocks(pieces.map((piece) => ({ path: `/?q=${piece}` })))
        }),
        { numRuns: 50 },
      )
    })
  })
}

describe('reasons', () => {
  const value = cut(VALUE, 10).map((piece): Sent => ({ path: `/?q=${piece}` }))
  const token = cut(TOKEN, 10).map((piece): Sent => ({ path: `/?q=${piece}` }))

  test('name the secret and how much of it left, never the value', async () => {
    assert.deepEqual(await new Cage().reasons(value.slice(0, 2)), [
      'flag: secret KEY sent in pieces: 50 % of it within 3600 s',
    ])
    const { denial } = await last(new Cage(), value.slice(0, 3))
    assert.deepEqual(
      [denial?.code, denial?.message],
      ['secret_literal', 'secret KEY sent in pieces: 75 % of it within 3600 s'],
    )
  })

  test('name the kind of credential and the place', async () => {
    const { denial, findings } = await last(new Cage(), token)
    assert.deepEqual(
      [denial?.code, denial?.message, findings[0]?.severity],
      ['inspector_blocked', 'secret detected in pieces: github_token (query q)', 'critical'],
    )
  })

  test('a place is shown without control characters', async () => {
    const { denial } = await last(
      new Cage(),
      cut(TOKEN, 10).map((piece) => ({ path: `/?\x1b[2J=${piece}` })),
    )
    assert.equal(denial?.message, 'secret detected in pieces: github_token (query ?[#J)')
  })

  test('action: flag lets it pass', async () => {
    const cage = new Cage({ split: { action: 'flag' } })
    assert.equal(await cage.blocks([...value, ...token]), false)
    assert.deepEqual((await cage.reasons(value.slice(-1)))[0]?.slice(0, 31), 'flag: secret KEY sent in pieces')
  })

  test('false: nobody looks', async () => {
    assert.deepEqual(await new Cage({ split: false }).reasons([...value, ...token]), [])
  })
})

describe('what is blocked', () => {
  for (const [kind, secret] of Object.entries(SECRETS)) {
    const requests = cut(secret, 10).map((piece): Sent => ({ path: `/?q=${piece}` }))
    test(`${kind} stays blocked when it is tried again, by itself or elsewhere`, async () => {
      const cage = new Cage()
      const at = await firstDenied(cage, requests)
      const blocked = requests.slice(at, at + 1)
      for (let attempt = 0; attempt < 5; attempt += 1) assert.equal(await cage.blocks(blocked), true)
      cage.reload({ max_request_body: 1000 })
      assert.equal(await cage.blocks(blocked), true)
    })

    test(`${kind}: requests elsewhere pass`, async () => {
      const cage = new Cage()
      await firstDenied(cage, requests)
      assert.equal(await cage.blocks([{ path: '/?text=something' }, { path: '/' }, { path: '/?text=else' }]), false)
    })
  }

  test('in the order of numbers stays blocked, and other pieces pass', async () => {
    const cage = new Cage()
    const requests = cut(TOKEN, 8)
      .map((piece, index): Sent => ({ path: `/?i=${index}&q=${piece}` }))
      .toReversed()
    const at = await firstDenied(cage, requests)
    assert.equal(await cage.blocks(requests.slice(at, at + 1)), true)
    assert.equal(await cage.blocks([{ path: '/?i=77&q=other' }]), false)
  })
})

describe('what passes', () => {
  test('to whom it may go whole', async () => {
    const own = cut(VALUE, 8).map((piece): Sent => ({ host: 'own.test', path: `/?q=${piece}` }))
    const github = cut(TOKEN, 8).map((piece): Sent => ({ host: 'api.github.com', path: `/?q=${piece}` }))
    assert.deepEqual(await new Cage().reasons([...own, ...github]), [])
  })

  test('what comes in', async () => {
    const messages = cut(VALUE, 8).map((message): Message => ({ message, direction: 'inbound' }))
    assert.deepEqual(await new Cage().reasons(messages), [])
  })

  test('after the time that is set', async () => {
    const cage = new Cage({ split: { window_seconds: 60 } })
    for (const secret of [VALUE, TOKEN]) {
      for (const piece of cut(secret, 11)) {
        assert.deepEqual(await cage.reasons([{ path: `/?q=${piece}` }]), [])
        cage.now += 61_000
      }
    }
  })

  test('a credential in one piece is for the inspector of secrets', async () => {
    assert.deepEqual(await new Cage().reasons([{ path: `/?q=${TOKEN}` }, { path: '/?q=1' }]), [])
  })

  test('a prefix, and hashes and words behind it', async () => {
    const prefix = TOKEN.slice(0, 4)
    const words = ['installation', 'repositories', 'authentication', 'organization', 'documentation']
    assert.deepEqual(await new Cage().reasons([prefix, ...words].map((word) => ({ path: `/?q=${word}` }))), [])
  })
})

async function last(cage: Cage, all: readonly Sent[]) {
  let result = await cage.send(all[0] as Sent)
  for (const sent of all.slice(1)) result = await cage.send(sent)
  return result
}

async function firstDenied(cage: Cage, all: readonly Sent[]): Promise<number> {
  for (const [index, sent] of all.entries()) if ((await cage.send(sent)).denial !== undefined) return index
  return assert.fail('nothing was denied')
}
