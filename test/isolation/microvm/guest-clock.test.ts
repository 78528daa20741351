/*
 * A guest's clock follows the host's: it is told the time again and again, and sets its own only where that is wrong.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { keepClock } from '../../../src/isolation/microvm/guest-clock.ts'
import { SET_CLOCK } from '../../../src/isolation/microvm/guest-init.ts'

test('the guest is told the time until its channel ends', { timeout: 20_000 }, async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const host = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [guest] = (await once(server, 'connection')) as [Socket]
  const began = Math.floor(Date.now() / 1000)
  keepClock(host, 5)
  let count = 0
  for await (const line of createInterface(guest)) {
    const [verb, seconds, ...rest] = line.split(' ')
    assert.deepEqual([verb, rest], ['clock', []])
    assert.ok(Number(seconds) >= began && Number(seconds) <= Date.now() / 1000)
    if (++count === 3) break
  }
  // A timer that went on would keep on writing to what is closed, and fail.
  host.destroy()
  await once(host, 'close')
  server.close()
})

test('a clock is set where it is wrong, and left alone where it is right', () => {
  const now = 1_800_000_000
  const set = (told: number): string => {
    const script = `date() { test "$1" = +%s && echo ${now} || echo "$@" >&2; }\nfirst=${told}\n${SET_CLOCK}`
    return spawnSync('sh', ['-c', script], { encoding: 'utf8' }).stderr
  }
  for (const told of [now - 1, now, now + 1]) assert.equal(set(told), '')
  for (const told of [1, now - 2, now + 2, now + 86_400]) assert.equal(set(told), `-s @${told}\n`)
})
