/** What a host lacks is said with what mends it, and nothing is left of the attempt. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { asRoot, asUser, tryAgentcage, writeUserFile } from '../lab/lab.ts'
import { configFor, HOME, traces } from './support.ts'

const FILE = `${HOME}/lacking.yaml`
const CREATE = ['cage', 'create', '-c', FILE]

before(async () => {
  await writeUserFile(FILE, configFor('lacking'))
})

after(async () => {
  await tryAgentcage(['cage', 'destroy', '-y', 'lacking'])
})

/** Runs `action` while another file lies over the Podman of the host. */
async function withPodman(file: string, action: () => Promise<void>): Promise<void> {
  await asRoot('mount', '--bind', file, '/usr/bin/podman')
  try {
    await action()
  } finally {
    await asRoot('umount', '/usr/bin/podman')
  }
}

test('Podman that is too old or missing: the version, why, and what to do', async () => {
  await writeUserFile(`${HOME}/old-podman`, '#!/bin/sh\necho "4.9.3 true v2"\n')
  await asUser('chmod', '755', `${HOME}/old-podman`)
  for (const [file, said] of [
    [`${HOME}/old-podman`, /^error: Podman 4\.9\.3 is too old: 5\.0 is the first .*\n {2}Debian 13/],
    ['/dev/null', /^error: isolation: container needs Podman, .*\n {2}Install it/],
  ] as const)
    await withPodman(file, async () => {
      const { code, stderr } = await tryAgentcage(CREATE)
      assert.equal(code, 1)
      assert.match(stderr, said)
    })
  assert.equal(await traces('lacking'), '')
})

test('a user whose services end at the log-out: the command that changes it', async () => {
  await asRoot('mv', '/var/lib/systemd/linger/keeper', '/var/lib/systemd/keeper')
  const { code, stderr } = await tryAgentcage([...CREATE, '--no-start'])
  await asRoot('mv', '/var/lib/systemd/keeper', '/var/lib/systemd/linger/keeper')
  assert.equal(code, 0, stderr)
  assert.match(stderr, /^warning: the cage ends when you log out\. To keep it: sudo loginctl enable-linger keeper$/m)
})
