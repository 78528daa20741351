/** Folders of the user's in a container: what would run later on the host is read-only, at the place it has inside. */
import assert from 'node:assert/strict'
import { mkdir, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { agentVolumes } from '../../../src/isolation/container/volumes.ts'
import { gatherHost } from '../../../src/isolation/process/host.ts'
import { withFolder } from '../../support/temporary.ts'

test('hooks and settings are bound read-only, and what is absent gets a stand-in', async (t) => {
  const home = await realpath(await withFolder(t))
  const work = join(home, 'work')
  for (const folder of ['hooks', 'objects', 'refs']) await mkdir(join(work, '.git', folder), { recursive: true })
  await writeFile(join(work, '.git/HEAD'), 'ref: refs/heads/main\n')
  await writeFile(join(work, '.git/config'), '[core]\n')
  const host = gatherHost({ environment: { HOME: home }, workingDirectory: home, ownFolders: [] })
  const request = { settings: [], host, reserved: [] }
  const volumes = (text: string) =>
    agentVolumes({ ...request, container: { volumes: [text], allow_credential_mounts: [] } })

  const { mounts, standIns } = volumes(`${work}:/inside`)
  assert.deepEqual(mounts[0], { kind: 'bind', source: work, target: '/inside', writable: true })
  for (const path of ['.git/hooks', '.git/config', '.claude'])
    assert.deepEqual(
      mounts.find(({ target }) => target === `/inside/${path}`),
      { kind: 'bind', source: join(work, path), target: `/inside/${path}`, writable: false },
    )
  assert.ok(standIns.some(({ path }) => path === join(work, '.claude')))
  assert.ok(standIns.every((standIn) => standIn.path.startsWith(`${work}/`)))

  assert.deepEqual(volumes(`${work}:/inside:ro`), {
    mounts: [{ kind: 'bind', source: work, target: '/inside', writable: false }],
    standIns: [],
    warnings: [],
  })
})
