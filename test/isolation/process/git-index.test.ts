import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseGitIndex } from '../../../src/isolation/process/git-index.ts'
import { fuzz } from '../../support/fuzz.ts'
import { CageBed, withoutGit } from './cage-bed.ts'

/*
 * A workload writes the index that is read here, so it is read by rule and not by running git. For every index that
 * git writes, the answer is that of `git ls-files --stage`; everything else is refused, above all what git itself
 * could take to say something different. Nothing makes the parser throw or take long.
 */

const HASH = 20
const NONE: Buffer = Buffer.alloc(0)

interface Entry {
  readonly path: string
  readonly mode?: number
  readonly flags?: number
  readonly removed?: number
}

/** An index of version 2 with a checksum of zeros, which git accepts (index.skipHash). */
function index(
  entries: readonly Entry[],
  { version = 2, count = entries.length, extensions = NONE, hash = HASH } = {},
): Buffer {
  const head = Buffer.alloc(12)
  head.write('DIRC')
  head.writeUInt32BE(version, 4)
  head.writeUInt32BE(count, 8)
  const parts = entries.map(({ path, mode = 0o100644, flags, removed }) => {
    const name = Buffer.from(path)
    const fixed = Buffer.alloc(42 + hash)
    fixed.writeUInt32BE(mode, 24)
    fixed.writeUInt16BE(flags ?? Math.min(name.length, 0xfff), 40 + hash)
    if (version === 4) return Buffer.concat([fixed, Buffer.from([removed ?? 0]), name, Buffer.alloc(1)])
    return Buffer.concat([fixed, name, Buffer.alloc(8 - ((fixed.length + name.length) % 8))])
  })
  return Buffer.concat([head, ...parts, extensions, Buffer.alloc(hash)])
}

function extension(signature: string, content: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.write(signature, 'latin1')
  head.writeUInt32BE(content.length, 4)
  return Buffer.concat([head, content])
}

function numbers(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4)
  values.forEach((value, at) => buffer.writeUInt32BE(value, at * 4))
  return buffer
}

const ONE = [{ path: 'a' }]
/** One entry, of 62 bytes, a byte of path and a terminator. */
const ONE_END = 12 + 64

const HOSTILE: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'no header': Buffer.alloc(200),
  'a header only': index([]).subarray(0, 12),
  'a version of the future': index(ONE, { version: 5 }),
  'a version of the past': index(ONE, { version: 1 }),
  'more entries than bytes': index(ONE, { count: 2 }),
  'a billion entries': index(ONE, { count: 0xffffffff }),
  'an entry cut off': index([{ path: 'a/long/path' }]).subarray(0, 60),
  'a path without end': Buffer.concat([index(ONE).subarray(0, 74), Buffer.alloc(60, 0x61)]),
  'a length that is too short': index([{ path: 'abc', flags: 2 }]),
  'a length that is too long': index([{ path: 'abc', flags: 9 }]),
  'a path longer than any': index([{ path: 'a'.repeat(5000) }]),
  'extended flags in version 2': index([{ path: 'a', flags: 0x4001 }]),
  'a prefix longer than the path before': index([{ path: 'a' }, { path: 'b', removed: 2 }], { version: 4 }),
  'a prefix number without end': index([{ path: '\u00ff\u00ff\u00ff', removed: 0xff }], { version: 4 }),
  'an extension cut off': index(ONE, { extensions: Buffer.from('TREE\0\0\0\x09') }),
  'an extension that git does not know and must': index(ONE, { extensions: extension('evil', numbers(1)) }),
  'an offset table that leads elsewhere': index(ONE, { extensions: extension('IEOT', numbers(1, 40, 1)) }),
  'an offset table of fewer entries': index([{ path: 'a' }, { path: 'b' }], {
    extensions: extension('IEOT', numbers(1, 12, 1)),
  }),
  'an offset table of none': index(ONE, { extensions: extension('IEOT', numbers(1)) }),
  'an offset table twice': index(ONE, {
    extensions: Buffer.concat([extension('IEOT', numbers(1, 12, 1)), extension('IEOT', numbers(1, 12, 1))]),
  }),
  'a block whose paths go on from the block before': index([{ path: 'a' }, { path: 'b', removed: 0, flags: 2 }], {
    version: 4,
    extensions: extension('IEOT', numbers(1, 12, 1, 12 + 65, 1)),
  }),
  'an end of entries elsewhere': index(ONE, {
    extensions: extension('EOIE', Buffer.concat([numbers(40), Buffer.alloc(HASH)])),
  }),
  'an end of entries inside another extension': index(ONE, {
    extensions: extension('TREE', extension('EOIE', Buffer.concat([numbers(40), Buffer.alloc(HASH)]))),
  }),
}

for (const [name, bytes] of Object.entries(HOSTILE)) {
  test(`refused: ${name}`, () => assert.equal(parseGitIndex(bytes, HASH), undefined))
}

test('submodules and sparse folders are found, by the type in the mode', () => {
  const entries = [
    { path: 'a' },
    { path: 'sparse/', mode: 0o040000 },
    { path: 'sub', mode: 0o160000 },
    { path: 'sub2', mode: 0o160755 },
  ]
  assert.deepEqual(parseGitIndex(index(entries), HASH), {
    gitlinks: [Buffer.from('sub'), Buffer.from('sub2')],
    sparse: [Buffer.from('sparse/')],
    complete: true,
  })
})

test('extensions that agree with the entries are accepted', () => {
  const end = extension('EOIE', Buffer.concat([numbers(ONE_END), Buffer.alloc(HASH)]))
  const extensions = Buffer.concat([extension('IEOT', numbers(1, 12, 1)), extension('TREE', numbers(1)), end])
  assert.equal(parseGitIndex(index(ONE, { extensions }), HASH)?.complete, true)
})

test('a split index is not all there is', () => {
  const extensions = extension('link', Buffer.alloc(HASH))
  assert.equal(parseGitIndex(index([{ path: '' }], { extensions }), HASH)?.complete, false)
  assert.equal(parseGitIndex(index([{ path: '' }]), HASH)?.complete, false)
})

test('any bytes are answered, also behind a good header', () => {
  const counts = fc.record({ version: fc.integer({ min: 2, max: 4 }), count: fc.integer({ min: 0, max: 3 }) })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), counts, (bytes, { version, count }) => {
      parseGitIndex(Buffer.from(bytes), HASH)
      const header = index([], { version, count }).subarray(0, 12)
      parseGitIndex(Buffer.concat([header, bytes]), HASH)
    }),
  )
})

test('every list of paths comes back', () => {
  const path = fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom('a', 'b', '/', 'ä', '\n') })
  fc.assert(
    fc.property(
      fc.array(path, { maxLength: 8 }),
      fc.constantFrom(2, 3),
      fc.constantFrom(20, 32),
      (paths, version, hash) => {
        const entries = paths.map((name) => ({ path: name, mode: 0o160000 }))
        const found = parseGitIndex(index(entries, { version, hash }), hash)
        assert.deepEqual(found?.gitlinks.map(String), paths)
      },
    ),
  )
})

test('a changed index is refused or read, never an exception', { skip: withoutGit }, async (t) => {
  using bed = new CageBed()
  const originals = [2, 4].map((version) => writtenByGit(bed, version))
  await fuzz(t, { runs: 5000 }, (random) => {
    const bytes = Buffer.from(originals[random.uint32() % 2] ?? [])
    for (let change = random.uint32() % 6; change >= 0; change--)
      bytes[random.uint32() % bytes.length] = random.uint32() % 256
    parseGitIndex(bytes.subarray(0, random.uint32() % 4 === 0 ? random.uint32() % bytes.length : bytes.length), HASH)
  })
})

for (const version of [2, 3, 4]) {
  for (const format of ['sha1', 'sha256']) {
    test(`version ${version} with ${format} is read as git reads it`, { skip: withoutGit }, () => {
      using bed = new CageBed()
      const bytes = writtenByGit(bed, version, format)
      const listed = bed.git('ls-files', '--stage', '-z').split('\0')
      const expected = listed.flatMap((line) => /^160000 [^\t]*\t([^]+)$/.exec(line)?.[1] ?? [])
      assert.ok(expected.length > 30)
      const found = parseGitIndex(bytes, format === 'sha1' ? 20 : 32)
      assert.deepEqual(found?.gitlinks.map(String), expected)
      assert.equal(found.complete, true)
      assert.equal(bytes.readUInt32BE(4), version)
      assert.ok(bytes.includes('IEOT') && bytes.includes('EOIE'))
    })
  }
}

test('a sparse index and a split one that git writes are recognised', { skip: withoutGit }, () => {
  using bed = new CageBed()
  bed.makeRepository()
  for (const path of ['a/f', 'd/e/g']) bed.write(`project/${path}`, path)
  bed.git('add', '.')
  bed.git('commit', '-q', '-m', 'more')
  bed.git('sparse-checkout', 'set', '--cone', '--sparse-index', 'a')
  assert.deepEqual(parseGitIndex(indexOf(bed), HASH)?.sparse.map(String), ['d/'])
  bed.git('sparse-checkout', 'disable')
  bed.git('update-index', '--split-index')
  assert.equal(parseGitIndex(indexOf(bed), HASH)?.complete, false)
})

/** An index with submodules among files, deep, long and odd paths, stages of a conflict, and offset tables. */
function writtenByGit(bed: CageBed, version: number, format = 'sha1'): Buffer {
  const name = createHash(format).update('x').digest('hex')
  const blob = createHash(format).update('blob 0\0').digest('hex')
  rmSync(join(bed.project, '.git'), { recursive: true, force: true })
  bed.git('init', '-q', `--object-format=${format}`)
  bed.git('config', 'index.threads', '4')
  for (const folder of Array.from({ length: 40 }, (_, at) => `lib/${'deep/'.repeat(at % 7)}module-${at}`))
    bed.git('update-index', '--add', '--cacheinfo', `160000,${name},${folder}`)
  bed.write('project/empty', '')
  bed.git('hash-object', '-w', 'empty')
  for (const path of ['file', 'lib/file', 'x'.repeat(200), 'y/'.repeat(900) + 'z', 'ä\u00ad b'])
    bed.git('update-index', '--add', '--cacheinfo', `100644,${blob},${path}`)
  if (version === 3) {
    bed.write('project/later', '')
    bed.git('add', '--intent-to-add', 'later')
  }
  bed.git('update-index', '--index-version', version === 3 ? '2' : String(version))
  return indexOf(bed)
}

function indexOf(bed: CageBed): Buffer {
  return readFileSync(join(bed.project, '.git/index'))
}
