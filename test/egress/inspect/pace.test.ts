/**
 * A body that takes long to look at stops no other request: the looks pause, small requests are answered meanwhile, only a few
 * large bodies are looked at at a time, and the verdict is what it would have been.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { configSchema } from '../../../src/config/schema.ts'
import { InspectorChain } from '../../../src/egress/inspect/chain.ts'
import { PASS } from '../../../src/egress/inspect/inspector.ts'
import { paced } from '../../../src/egress/inspect/pace.ts'
import type { Steps } from '../../../src/egress/inspect/steps.ts'
import { makeRuling } from '../../../src/egress/ruling.ts'
import { contextOf } from './entropy-traffic.ts'

const KEY = `AK${'IA'}Q3EGRAHSXKPVNW4D`
const HIDDEN = Buffer.from(Buffer.from(`the key is ${KEY}`).toString('base64')).toString('base64')
/** Escapes in escapes, rows in base32 at every alignment, runs of base64: what takes longest. */
const SLOW = [String.raw`\u004a\u200b`, '%252541', 'MFRGGZDFMZTWQ2LK', 'QUJDREVGR0hJSktMTU5P ', '&&#38;#'].map((text) =>
  text.repeat(Math.ceil(400_000 / text.length)),
)

test('everything else goes on while a large body is looked at, and what is at its end is found', async () => {
  const config = configSchema.parse({ domains: { mode: 'blocklist' } })
  const { chain } = (await makeRuling(config, [], () => new Date())).ruling
  const large = chain.inspectRequest(contextOf({ body: Buffer.from(`${SLOW.join('\n')}\n${HIDDEN}`) }))
  assert.ok(large instanceof Promise)
  const state = { isOver: false }
  const result = large.finally(() => (state.isOver = true))
  let turns = 0
  for (; !state.isOver; turns += 1) {
    assert.deepEqual((await chain.inspectRequest(contextOf({ body: 'small' }))).findings, [])
    await setImmediate()
  }
  assert.ok(turns >= 10, `${turns} turns`)
  assert.equal((await result).denial?.message, 'secret detected: aws_access_key')
})

test('no more than four at a time, in the order of arrival; small ones do not wait for them', async () => {
  const looks: { readonly size: number; readonly pass: () => void }[] = []
  const chain = new InspectorChain([
    {
      name: 'slow',
      inspectRequest: ({ body }) =>
        new Promise((resolve) => looks.push({ size: body.length, pass: () => resolve(PASS) })),
    },
  ])
  const sizes = [1, 2, 3, 4, 5, 6].map((extra) => 262_144 + extra)
  const results = sizes.map((size) => chain.inspectRequest(contextOf({ body: Buffer.alloc(size) })))
  await Promise.resolve()
  const small = chain.inspectRequest(contextOf({ body: Buffer.alloc(10) }))
  assert.deepEqual(
    looks.map(({ size }) => size),
    [...sizes.slice(0, 4), 10],
  )
  looks[4]?.pass()
  await small
  looks[1]?.pass()
  await results[1]
  await Promise.resolve()
  assert.deepEqual(looks.at(-1)?.size, sizes[4])
  for (const { pass } of looks) pass()
  await results[0]
  await results[4]
  for (const { pass } of looks) pass()
  assert.deepEqual(
    (await Promise.all(results.map(async (result) => result))).map(({ denial }) => denial),
    Array(6).fill(undefined),
  )
})

test('work is done at once where it is little, else in pieces; what fails fails either way', async () => {
  function* work(pieces: number, fails = false): Steps<string> {
    for (let piece = 0; piece < pieces; piece += 1) yield 65_536
    if (fails) throw new Error('broken')
    return 'done'
  }
  assert.equal(paced(work(3)), 'done')
  const long = paced(work(100))
  assert.ok(long instanceof Promise)
  assert.equal(await long, 'done')
  assert.throws(() => paced(work(3, true)))
  await assert.rejects(async () => paced(work(100, true)))
})
