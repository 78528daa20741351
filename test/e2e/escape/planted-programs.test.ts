/**
 * Escapes by name: PATH often has a folder of the project in front (`node_modules/.bin`). What a workload puts there
 * under the name of a program that agentcage runs must never run on the host.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CageHost, withoutCagesOr } from '../support/cage.ts'

/** What agentcage runs on the host, and what somebody might think it runs. */
const HOST_PROGRAMS = [
  'bash',
  'bwrap',
  'getent',
  'git',
  'id',
  'ip',
  'java',
  'keytool',
  'mount',
  'newgidmap',
  'newuidmap',
  'nft',
  'node',
  'nsenter',
  'openssl',
  'prlimit',
  'python3',
  'setpriv',
  'sh',
  'systemctl',
  'systemd-run',
  'umount',
  'unshare',
]

test('what is planted in the project never runs on the host', { skip: withoutCagesOr('git') }, async () => {
  await using host = await CageHost.open()
  execFileSync('git', ['init', '-q'], { cwd: host.project })
  const marker = join(host.folder, 'ran')
  for (const name of HOST_PROGRAMS)
    await host.write(`node_modules/.bin/${name}`, `#!/bin/sh\necho ${name} >> ${marker}\nexit 1\n`, 0o755)
  const env = { PATH: `${join(host.project, 'node_modules/.bin')}:${host.env['PATH']}` }
  for (const _round of [1, 2]) {
    const { code, stderr } = await host.run(['true'], { env })
    assert.equal(code, 0, stderr)
  }
  await host.agentcage(['doctor'], { env })
  assert.equal(existsSync(marker) ? readFileSync(marker, 'utf8') : '', '')
})
