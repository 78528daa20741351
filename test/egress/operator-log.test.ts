/**
 * What the workload brings about does not drown the terminal: the same message is said once a minute, of different ones
 * only so many, and what was left out is counted.
 */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { OperatorLog } from '../../src/egress/operator-log.ts'
import { get } from '../support/proxy-client.ts'
import { startBed } from './bed.ts'

function startLog(): { readonly said: string[]; readonly log: OperatorLog; readonly wait: (seconds: number) => void } {
  const said: string[] = []
  let now = 5000
  const wait = (seconds: number): void => void (now += seconds * 1000)
  return {
    said,
    log: new OperatorLog(
      (message) => said.push(message),
      () => now,
    ),
    wait,
  }
}

test('the same message is said once a minute', () => {
  const { said, log, wait } = startLog()
  for (let count = 0; count < 5; count++) log.log('the disk is full')
  wait(59)
  log.log('the disk is full')
  assert.deepEqual(said, ['the disk is full'])
  wait(1)
  log.log('the disk is full')
  assert.deepEqual(said.slice(1), ['5 more messages were left out', 'the disk is full'])
})

test('another message is said at once', () => {
  const { said, log } = startLog()
  for (const message of ['a', 'b', 'a', 'b', 'c']) log.log(message)
  assert.deepEqual(said, ['a', 'b', '2 more messages were left out', 'c'])
})

test('of different messages thirty are said at once, then one a second', () => {
  const { said, log, wait } = startLog()
  for (let count = 0; count < 1000; count++) log.log(`could not resolve ${count}.test`)
  assert.equal(said.length, 30)
  wait(1)
  log.log('more')
  log.log('and more')
  assert.deepEqual(said.slice(30), ['970 more messages were left out', 'more'])
})

test('what was left out is told at the end', () => {
  const { said, log } = startLog()
  log.log('a')
  log.log('a')
  log.flush()
  log.flush()
  assert.deepEqual(said, ['a', '1 more message was left out'])
})

test('requests that are denied because of a full disk do not each say so', async (t: TestContext) => {
  const bed = await startBed(t, { hosts: { 'plain.test': { kind: 'http' } } })
  bed.audit.isBroken = true
  for (let count = 0; count < 4; count++) assert.equal((await get('http://plain.test/', bed)).status, 403)
  assert.deepEqual(
    bed.messages.filter((message) => message.startsWith('audit: ')),
    ['audit: no space left on the device'],
  )
})
