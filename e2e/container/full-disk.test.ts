/** The disk is full: each command that writes says so, nothing is lost or half-written, and what runs goes on running. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { CommandResult } from '../../test/support/command.ts'
import { agentcage, asRoot, asUser, NODE, PROGRAM, tryAgentcage, tryAsUser, writeUserFile } from '../lab/lab.ts'
import { configFor, createCage, curl, HOME, inCage, traces } from './support.ts'

const CAGE = 'full'
const [CONFIG, STATE] = [`${HOME}/.config/agentcage`, `${HOME}/.local/state/agentcage`]

before(async () => {
  await agentcage('cage', 'destroy', '-y', CAGE)
  await asUser('mkdir', '-p', CONFIG, STATE)
  for (const folder of [CONFIG, STATE])
    await asRoot('mount', '-t', 'tmpfs', '-o', 'size=4m,uid=1000,gid=1000,mode=700', 'tmpfs', folder)
  const secret = { env: 'API_KEY', inject_to: ['allowed.test'], inject_headers: ['authorization'] }
  await createCage(CAGE, { secret_injection: [secret] }, ['-s', 'API_KEY=first-value-of-the-key'])
})

after(async () => {
  await agentcage('cage', 'destroy', '-y', CAGE)
  for (const folder of [CONFIG, STATE]) await asRoot('umount', '--lazy', folder)
})

/** Runs `action` while nothing more can be written below `folder`. */
async function withFull<T>(folder: string, action: () => Promise<T>): Promise<T> {
  const fill = 'dd if=/dev/zero of=$1/fill bs=4k; dd if=/dev/zero of=$1/rest bs=1; test -s $1/fill'
  await asUser('bash', '-c', `(${fill}) 2>/dev/null`, 'fill', folder)
  try {
    return await action()
  } finally {
    await asUser('rm', '-f', `${folder}/fill`, `${folder}/rest`)
  }
}

/** Every file that is kept of cages, with its content. */
async function kept(): Promise<string> {
  return asUser('bash', '-c', `cd ${CONFIG} && find . -type f ! -name fill ! -name rest -exec sha256sum {} + | sort`)
}

function assertFull({ code, stderr }: CommandResult): void {
  assert.equal(code, 1, stderr)
  assert.match(stderr, /^error: \/\S+ cannot be written: the disk is full\n {2}Free some space/)
}

test('where cages are kept, every change is refused and none is made', async () => {
  const unchanged = await kept()
  await writeUserFile(`${HOME}/full-other.yaml`, configFor('full-other'))
  await withFull(CONFIG, async () => {
    assertFull(await tryAgentcage(['cage', 'create', '-c', `${HOME}/full-other.yaml`, '-s', 'API_KEY=other-value']))
    assertFull(await tryAgentcage(['secret', 'set', CAGE, 'API_KEY'], 'second-value-of-the-key'))
    assertFull(await tryAgentcage(['domain', 'add', CAGE, 'later.test']))
    assertFull(await tryAgentcage(['cage', 'update', CAGE]))
    assert.equal(await kept(), unchanged)
  })
  assert.equal(await traces('full-other'), '')
  assert.match(await curl(CAGE, 'https://allowed.test/'), / 200\[0\]$/)
})

test('a text from an editor is not lost', async () => {
  const { code, stderr } = await withFull(CONFIG, () =>
    tryAsUser(['env', 'EDITOR=sed -i s,allowed.test,edited.test,', NODE, PROGRAM, 'cage', 'edit', CAGE]),
  )
  assert.equal(code, 1)
  const path = /^ {2}Nothing was changed\. Your text is kept in (\/tmp\/\S+)$/m.exec(stderr)?.[1]
  assert.ok(path !== undefined, stderr)
  assert.match(await asUser('cat', path), /edited\.test/)
  await asUser('rm', path)
})

test('where its state is, what cannot be recorded is denied, and no change is tried', async () => {
  const started = await inCage(CAGE, 'stat', '-c', '%Y', '/proc/1')
  await withFull(STATE, async () => {
    // The block that the log ends in has room for a few more.
    const ask = 'for i in $(seq 40); do curl --silent https://allowed.test/ | grep -q audit_unavailable && exit 7; done'
    assert.equal(await inCage(CAGE, 'sh', '-c', ask), '[7]')
    assertFull(await tryAgentcage(['cage', 'update', CAGE]))
    const unchanged = await kept()
    assertFull(await tryAgentcage(['domain', 'add', CAGE, 'later.test']))
    assert.equal(await kept(), unchanged)
  })
  assert.equal(await inCage(CAGE, 'stat', '-c', '%Y', '/proc/1'), started)
  assert.match(await curl(CAGE, 'https://allowed.test/'), / 200\[0\]$/)
  assert.match(await agentcage('audit', CAGE, '--verify'), /^(audit chain ok: .*\n){2}$/)
})
