/**
 * A token is asked for when it is needed, once for all who wait, in time before it ends, and no more often than the rule
 * says; one that was replaced stays known until it ends.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '../../../../src/secrets/secret.ts'
import { Minter, type Ask, type MinterOptions } from '../../../../src/egress/secrets/transforms/minter.ts'
import { TransformRefused } from '../../../../src/egress/secrets/transforms/refusal.ts'

const ask: Ask = () => Promise.reject(new Error('these sources ask nobody'))

/** A minter whose tokens are numbered and live for a minute. */
class Source {
  now = 1_800_000_000_000
  minted = 0
  changes = 0
  failure: Error | undefined
  refusesTokens = false
  readonly minter: Minter

  constructor(options: Partial<MinterOptions> = {}) {
    this.minter = new Minter({
      name: 'KEY',
      mint: async () => {
        this.minted += 1
        const value = new Secret('KEY', `token-${this.minted}`)
        await Promise.resolve()
        if (this.failure !== undefined) throw this.failure
        return { value, expiresAt: this.now + 60_000 }
      },
      marginMs: 10_000,
      ratePerHour: 10,
      clock: () => new Date(this.now),
      onToken: () => {
        if (this.refusesTokens) throw new TransformRefused('source', 'no')
        this.changes += 1
      },
      ...options,
    })
  }

  async token(): Promise<string> {
    return (await this.minter.token(ask)).value.reveal()
  }

  get known(): readonly string[] {
    return this.minter.known.map(({ value }) => value.reveal())
  }
}

test('all who wait get the one token that was asked for', async () => {
  const source = new Source()
  const tokens = await Promise.all(Array.from({ length: 50 }, () => source.token()))
  assert.deepEqual([...new Set(tokens)], ['token-1'])
  assert.equal(source.minted, 1)
  assert.equal(source.changes, 1)
})

test('another is asked for when the margin begins, and the one before stays known until it ends', async () => {
  const source = new Source()
  await source.token()
  source.now += 49_999
  assert.equal(await source.token(), 'token-1')
  source.now += 1
  assert.equal(await source.token(), 'token-2')
  assert.deepEqual(source.known, ['token-2', 'token-1'])
  source.now += 10_000
  assert.deepEqual(source.known, ['token-2'])
})

test('a token that lives shorter than twice the margin is used for half of its life', async () => {
  const source = new Source({ marginMs: 3_600_000 })
  await source.token()
  source.now += 29_999
  assert.equal(await source.token(), 'token-1')
  source.now += 1
  assert.equal(await source.token(), 'token-2')
})

test('while a token still counts, it is used although no other can be had', async () => {
  const source = new Source()
  await source.token()
  source.failure = new TransformRefused('source', 'down')
  source.now += 55_000
  assert.equal(await source.token(), 'token-1')
  source.now += 5000
  await assert.rejects(source.token(), /down/)
})

test('a failure counts for five seconds, then it is tried again', async () => {
  const source = new Source()
  source.failure = new TransformRefused('source', 'down')
  for (let i = 0; i < 20; i += 1) await assert.rejects(source.token(), /down/)
  assert.equal(source.minted, 1)
  source.now += 5000
  source.failure = undefined
  assert.equal(await source.token(), 'token-2')
})

test('no more is asked within an hour than the rule says, failures included', async () => {
  const source = new Source({ ratePerHour: 3 })
  source.failure = new TransformRefused('source', 'down')
  for (let i = 0; i < 3; i += 1) {
    await assert.rejects(source.token(), /down/)
    source.now += 6000
  }
  source.failure = undefined
  await assert.rejects(source.token(), {
    name: 'TransformRefused',
    kind: 'source',
    message: /asked for 3 times within an hour/,
  })
  assert.equal(source.minted, 3)
  source.now += 3_600_000 - 18_000
  assert.equal(await source.token(), 'token-4')
})

test('who asks for another gets one, unless the last is young', async () => {
  const source = new Source()
  await source.minter.another(ask)
  assert.equal((await source.minter.another(ask)).value.reveal(), 'token-1')
  source.now += 59_999
  assert.equal((await source.minter.another(ask)).value.reveal(), 'token-2')
  source.now += 60_000
  assert.equal((await source.minter.another(ask)).value.reveal(), 'token-3')
})

test('a token that cannot be guarded is given to nobody', async () => {
  const source = new Source()
  await source.token()
  source.refusesTokens = true
  source.now += 60_000
  await assert.rejects(source.token(), { name: 'TransformRefused' })
  assert.deepEqual(source.known, [])
})
