/** A limit that this host cannot hold is left out of the units, and that is said. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limitWarnings } from '../../../src/isolation/container/host-limits.ts'

const WANTED = { memory: '2g', cpus: '1.5', pids: 4096 }

test('each limit without a controller has a warning that names it', () => {
  assert.deepEqual(limitWarnings(WANTED, { memory: false, cpu: false, pids: false }), [
    'the memory of the workload is not limited: the systemd of this user has no memory controller',
    'the processor time of the workload is not limited: the systemd of this user has no cpu controller',
    'the number of processes in the workload is not limited: the systemd of this user has no pids controller',
  ])
})

test('what is held or was not asked for has none', () => {
  assert.deepEqual(limitWarnings(WANTED, { memory: true, cpu: true, pids: true }), [])
  assert.deepEqual(limitWarnings({ pids: 4096 }, { memory: false, cpu: false, pids: true }), [])
})
