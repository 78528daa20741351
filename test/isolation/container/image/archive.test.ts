/**
 * The archive in which the image of the egress goes to Podman: the image's ID is the hash of what is in it and of nothing
 * else, so the same content has the same ID wherever and whenever it is made.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { imageArchive, imageConfigText } from '../../../../src/isolation/container/image/archive.ts'
import { tarSize, writeTar, type TarEntry } from '../../../../src/isolation/container/image/tar.ts'

const CONFIG = { entrypoint: ['/usr/bin/node', '/a.js'], user: '7:7', environment: { A: 'b c', D: '1' } }

const FILES: readonly TarEntry[] = [
  { kind: 'directory', path: 'usr', mode: 0o755 },
  { kind: 'file', path: 'a.js', mode: 0o644, size: 700, read: () => [Buffer.alloc(700, 'x')] },
]

test('the configuration says what runs, as whom, and which layer it is, and has no time in it', () => {
  const config = JSON.parse(imageConfigText(CONFIG, 'ab'.repeat(32))) as Readonly<Record<string, unknown>>
  assert.deepEqual(config['config'], {
    Entrypoint: CONFIG.entrypoint,
    User: '7:7',
    Env: ['A=b c', 'D=1'],
    WorkingDir: '/',
  })
  assert.deepEqual(config['rootfs'], { type: 'layers', diff_ids: [`sha256:${'ab'.repeat(32)}`] })
  assert.equal(config['created'], '1970-01-01T00:00:00Z')
})

test('the archive holds the layer that the configuration names, under the size that was announced', async () => {
  const layer = await buffer(writeTar(FILES))
  assert.equal(layer.length, tarSize(FILES))
  const config = imageConfigText(CONFIG, sha256(layer))
  const hash = sha256(config)
  const entries = imageArchive({ config, hash, reference: 'localhost/a:b', entries: FILES, size: layer.length })
  const archive = await buffer(writeTar(entries))
  assert.ok(archive.includes(layer))
  assert.ok(archive.includes(config))
  assert.ok(archive.includes(`[{"Config":"${hash}.json","RepoTags":["localhost/a:b"],"Layers":["layer.tar"]}]`))
})

function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
