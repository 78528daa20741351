/*
 * The device behind which a guest of Firecracker's is: made in the moat without root, to be opened by this user, and the one
 * address there that is not ours.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { machineTap } from '../../../../src/isolation/microvm/firecracker/network.ts'
import { openMoat } from '../../../../src/isolation/process/moat.ts'
import { missingTools, requireThat } from '../../../support/requires.ts'
import { accessSync, constants } from 'node:fs'

const skip = missingTools('ip', 'nsenter', 'unshare')

test('a moat with a device for a machine', { skip }, async (t) => {
  if (!requireThat(t, canOpen('/dev/net/tun'), '/dev/net/tun')) return
  const moat = await openMoat({ tcpPorts: [], proxy: { address: '198.18.0.1', port: 3128 }, tap: machineTap() })
  t.after(() => moat.close())
  const inside = (...command: readonly string[]): string =>
    execFileSync(
      'nsenter',
      [`--user=${moat.userNamespace}`, `--net=${moat.networkNamespace}`, '--preserve-credentials', '--', ...command],
      { encoding: 'utf8' },
    )
  assert.match(inside('ip', '-d', 'link', 'show', 'guest0'), /tun type tap .*persist on user /)
  assert.match(inside('ip', 'route', 'get', '198.18.255.2'), /^198\.18\.255\.2 dev guest0 /)
  assert.match(inside('ip', 'route', 'get', '93.184.216.34'), /^local 93\.184\.216\.34 dev lo /)
})

function canOpen(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
