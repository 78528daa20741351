/**
 * The window is bounded, whatever is sent: in places, hosts, pieces and bytes, and in what is done for one request.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Cage, cut, VALUE } from './traffic.ts'

describe('bounds', () => {
  test('thousands of hosts, places and pieces leave a window of a few megabytes', async () => {
    const cage = new Cage({ domains: { mode: 'blocklist' } })
    const before = process.memoryUsage().arrayBuffers
    for (let index = 0; index < 6000; index += 1) {
      const piece = index.toString(36).padStart(200, 'piece of text, ')
      await cage.send({
        host: `host${index % 200}.test`,
        path: `/?p-${index % 500}-x=${encodeURIComponent(piece)}&${piece}=1`,
      })
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024)
  })

  test('ten thousand fields, parameters, segments and words', async () => {
    const many = Array.from({ length: 10_000 }, (_, index) => `v${index}`)
    assert.deepEqual(
      await new Cage().reasons([
        { path: `/${many.join('/')}` },
        { path: `/?${many.join('=1&')}` },
        { path: '/', headers: many.flatMap((name) => [name, name]) },
        { method: 'POST', body: JSON.stringify(many) },
        { method: 'POST', body: many.join(' ').slice(0, 1000) },
      ]),
      [],
    )
  })

  test('a body made of pieces of the secret', async () => {
    const body = cut(VALUE.slice(0, 16), 9).join(' ').repeat(100_000)
    assert.equal(await new Cage().blocks([{ method: 'POST', body }]), false)
  })
})
