/*
 * Archives of layers: names, links, sizes and content come out as they were put in, however the bytes are cut, and what is
 * cut off, miscounted or of another kind is refused.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CageError } from '../../../../src/errors.ts'
import { readTar, type TarEntry } from '../../../../src/isolation/microvm/image/tar.ts'
import { fuzz, mutate } from '../../../support/fuzz.ts'
import { tar } from '../../../support/tar.ts'

type Read = readonly (TarEntry & { readonly content: string })[]

async function read(pieces: readonly Buffer[]): Promise<Read> {
  const entries: (TarEntry & { content: string })[] = []
  for await (const part of readTar(streamOf(pieces))) {
    const last = entries.at(-1)
    if (!Buffer.isBuffer(part)) entries.push({ ...part, content: '' })
    else if (last !== undefined) last.content += part.toString('latin1')
  }
  return entries
}

async function* streamOf(pieces: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* pieces
}

/** Its length counts itself, in bytes. */
function pax(record: string): string {
  const bytes = Buffer.byteLength(record) + 2
  for (let length = bytes; ; length++) if (bytes + String(length).length === length) return `${length} ${record}\n`
}

const LONG = `${'folder/'.repeat(40)}file`
const ARCHIVE = tar([
  { path: 'bin/', type: '5', mode: 0o755 },
  { path: 'bin/sh', content: 'x'.repeat(700), mode: 0o4755 },
  { path: 'sh', type: '2', target: 'bin/sh' },
  { path: 'other', type: '1', target: 'bin/sh' },
  { path: 'tty', type: '3' },
  { path: 'pax', type: 'x', content: pax(`path=${LONG}`) + pax('linkpath=ünder') },
  { path: 'short', type: '2', target: 'short' },
  { path: 'gnu', type: 'L', content: `${LONG}\0` },
  { path: 'short', content: 'last' },
])

test('entries come out as they were put in', async () => {
  const entries = await read([ARCHIVE])
  assert.deepEqual(
    entries.map(({ kind, path, target }) => [kind, path, target]),
    [
      ['folder', 'bin/', ''],
      ['file', 'bin/sh', ''],
      ['symlink', 'sh', 'bin/sh'],
      ['hardlink', 'other', 'bin/sh'],
      ['other', 'tty', ''],
      ['symlink', LONG, 'ünder'],
      ['file', LONG, ''],
    ],
  )
  assert.equal(entries[1]?.content, 'x'.repeat(700))
  assert.equal(entries[1]?.mode, 0o4755)
  assert.equal(entries[6]?.content, 'last')
})

const BAD: readonly (readonly [what: string, archive: Buffer])[] = [
  ['cut off in its content', ARCHIVE.subarray(0, 1100)],
  ['cut off in a header', ARCHIVE.subarray(0, 600)],
  ['no archive', Buffer.alloc(512, 'x')],
  ['with sparse files', tar([{ path: 'x', type: 'x', content: pax('GNU.sparse.major=1') }, { path: 'y' }])],
  ['with attributes that are not pax', tar([{ path: 'x', type: 'x', content: '99 path=x\n' }, { path: 'y' }])],
  ['with a size that is no number', tar([{ path: 'x', type: 'x', content: pax('size=-1') }, { path: 'y' }])],
  ['with a name that is too long', tar([{ path: 'x', type: 'L', content: 'x'.repeat(70_000) }, { path: 'y' }])],
  ['with a link that has content', tar([{ path: 'x', type: '2', target: 'y', content: 'z' }])],
]

for (const [what, archive] of BAD)
  test(`an archive ${what} is refused`, async () => {
    await assert.rejects(read([archive]), (error) => error instanceof CageError && error.code === 'config_invalid')
  })

test('fuzz: pieces do not matter, and nothing else than a refusal comes of nonsense', async (t) => {
  await fuzz(t, { runs: 100 }, async (random) => {
    const bytes = random.chance(0.2) ? ARCHIVE : mutate(random, ARCHIVE)
    assert.deepEqual(await outcome(random.chunks(bytes)), await outcome([bytes]))
  })
})

async function outcome(pieces: readonly Buffer[]): Promise<Read | 'refused'> {
  return read(pieces).catch((error: unknown) => {
    assert.ok(error instanceof CageError, String(error))
    return 'refused'
  })
}
