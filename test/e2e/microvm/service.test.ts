/**
 * A cage that stays, in a machine: its supervisor serves as that of a process does, `exec` is another machine with the same
 * files and network, and the end of the one is the end of the machine.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { MACHINE, PATIENCE, SUITE_PATIENCE, withoutMachinesOr } from '../support/machine.ts'
import { CageService } from '../support/service.ts'

const timeout = PATIENCE

describe('a service in a machine', { skip: withoutMachinesOr('curl'), timeout: SUITE_PATIENCE }, () => {
  test('runs, lets others in, and ends', { timeout }, async () => {
    const command = ['sh', '-c', 'trap "echo ended > end; exit 0" TERM; uname -r > made; while :; do sleep 0.1; done']
    await using service = await CageService.start({ ...MACHINE, container: { command } })
    const { code, stdout, stderr } = await service.host.agentcage([
      'exec',
      'demo',
      '--',
      'sh',
      '-c',
      "until test -s made; do sleep 0.1; done; cat made; uname -r; curl -s -m 60 -o /dev/null -w '%{http_code}' http://unlisted.example/; exit 5",
    ])
    assert.equal(code, 5, stderr)
    const [first, second, answer] = stdout.split('\n')
    assert.equal(first, second)
    assert.equal(answer, '403')
    assert.equal(await service.stop(), 0)
    assert.equal(readFileSync(join(service.host.project, 'end'), 'utf8'), 'ended\n')
    assert.ok(!existsSync(join(service.deployment.stateFolder, 'running.json')))
  })
})
