/** Podman's own generator takes the quadlets of the golden files without a word of complaint. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { asUser, tryAsUser, writeUserFile } from '../lab/lab.ts'
import { HOME } from './support.ts'

const GOLDEN = join(import.meta.dirname, '../../test/isolation/container/golden')

for (const name of ['ordinary', 'everything']) {
  test(`the quadlets of ${name}.txt are accepted, and say what they are meant to`, async () => {
    const folder = `${HOME}/quadlets-${name}`
    for (const part of (await readFile(join(GOLDEN, `${name}.txt`), 'utf8')).split('=== ').slice(1)) {
      const end = part.indexOf('\n')
      await writeUserFile(`${folder}/${part.slice(0, end)}`, part.slice(end + 1))
    }
    const { code, stdout, stderr } = await tryAsUser([
      'env',
      `QUADLET_UNIT_DIRS=${folder}`,
      '/usr/libexec/podman/quadlet',
      '-dryrun',
      '-user',
    ])
    assert.equal(code, 0, stderr)
    assert.doesNotMatch(stderr, /unsupported|error|warning|invalid/i)
    assert.match(stdout, /---demo-cage\.service---/)
    assert.match(stdout, /^ExecStart=\S*podman run .* --sdnotify=healthy .* --cap-drop all /m)
    if (name === 'everything') assert.match(stdout, /--env "?QUOTED=say \\"hi\\" \\\\ 100%%"?/)
    await asUser('rm', '-r', folder)
  })
}
