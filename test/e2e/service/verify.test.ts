/**
 * `verify` from inside a real cage: everything that is promised holds. What it says of something that is no cage is in
 * test/cage/verify.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { proveCage } from '../../../src/cage/verify/verify.ts'
import { startInternet } from '../../support/internet.ts'
import { withoutCagesOr } from '../support/cage.ts'
import { exitOf } from '../support/exit.ts'
import { CageService } from '../support/service.ts'

describe('verify', { skip: withoutCagesOr('node') }, () => {
  test('passes every probe of a cage that runs', async () => {
    await using internet = await startInternet()
    await internet.server('api.test', { port: 80, kind: 'http' })
    await using service = await CageService.start({ domains: { list: ['api.test'] }, upstream: internet.upstream })
    const sections = await proveCage(service.deployment)
    const checks = sections.flatMap((section) => section.checks)
    // Whoever runs the tests may be root.
    const expected = (text: string): string => (process.geteuid?.() === 0 && text.includes('user 0') ? 'warn' : 'pass')
    for (const { status, text } of checks) assert.equal(status, expected(text), text)
    assert.deepEqual(
      sections.map((section) => [section.title, section.checks.length]),
      [
        ['CA Certificate', 4],
        ['Proxy Configuration', 2],
        ['Egress Filtering', 8],
        ['Confinement', 3],
      ],
    )
    assert.ok(checks.some(({ text }) => text === 'Allowed domain (api.test) is reachable (HTTP 200)'))
    assert.ok(checks.some(({ text }) => text === 'Blocked domain (evil-exfil-server.io) is denied (HTTP 403)'))
  })

  test('fails when the probes cannot be run', async () => {
    await using service = await CageService.start({})
    service.child.kill('SIGKILL')
    await exitOf(service.child)
    const [section, ...more] = await proveCage(service.deployment)
    assert.deepEqual(more, [])
    assert.equal(section?.checks[0]?.status, 'fail')
    assert.match(section.checks[0].text, /^The probes could not be run: cage is not running/)
  })
})
