/** The unit of a cage with process isolation, as a golden file; nothing of a configuration can add to it. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { serviceUnit, type ServiceUnitRequest } from '../../../src/isolation/process/service-unit.ts'
import { assertGolden } from '../../support/golden.ts'

const REQUEST: ServiceUnitRequest = {
  name: 'demo',
  command: ['/usr/bin/node', '/opt/agent cage/bin/agentcage.js', 'cage', 'supervise', 'demo'],
  environment: { HOME: '/home/me', XDG_CONFIG_HOME: '/home/me/100% mine' },
  workingDirectory: '/home/me/my project',
  restart: 'on-failure',
  restartSec: 10,
  timeoutStartSec: 120,
  timeoutStopSec: 30,
}

describe('the unit', () => {
  test('is as agreed', () => assertGolden(join(import.meta.dirname, 'golden/demo-cage.service'), serviceUnit(REQUEST)))

  test('has no end of the start where none is wanted', () => {
    for (const timeoutStartSec of [0, null])
      assert.match(serviceUnit({ ...REQUEST, timeoutStartSec }), /^TimeoutStartSec=infinity$/m)
  })

  test('has as many directives, whatever stands in a value', () => {
    const hostile = 'a\nExecStartPre=/bin/evil\n[Service]\nUser=root'
    const before = serviceUnit(REQUEST).split('\n').length
    const unit = serviceUnit({
      ...REQUEST,
      command: ['/usr/bin/node', hostile, '%h', '$HOME', '"'],
      environment: { A: hostile, B: '%t' },
    })
    assert.equal(unit.split('\n').length, before)
    assert.throws(() => serviceUnit({ ...REQUEST, workingDirectory: `/x\nUser=root` }), /cannot stand in a unit/)
  })
})
