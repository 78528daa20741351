import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** An empty folder, 0700, that is removed after the test. */
export async function withFolder(t: Pick<TestContext, 'after'>): Promise<string> {
  const folder = await makeFolder()
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** An empty folder, 0700, that the caller removes. Without symbolic links in its path. */
export async function makeFolder(): Promise<string> {
  return mkdtemp(join(await realpath(tmpdir()), 'agentcage-test-'))
}
