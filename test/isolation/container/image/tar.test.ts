/**
 * The archive that becomes the egress's image: the same entries give the same bytes, other programs read it as it was
 * meant, and nothing gets in that a reader could take for something else.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { writeTar, type TarEntry } from '../../../../src/isolation/container/image/tar.ts'
import { run } from '../../../support/command.ts'
import { assertGolden } from '../../../support/golden.ts'
import { withFolder } from '../../../support/temporary.ts'

test('the same entries give the same bytes, whatever their order', async () => {
  const archive = await bytesOf(EXAMPLE)
  assert.deepEqual(await bytesOf(EXAMPLE.toReversed()), archive)
  assert.equal(archive.length % 512, 0)
  assertGolden(join(import.meta.dirname, 'golden/archive.txt'), `${describe(archive)}\n`)
})

test('tar reads it: names, modes, sizes, contents, no owner and no time', async (t) => {
  const folder = await withFolder(t)
  const path = join(folder, 'a.tar')
  await writeFile(path, await bytesOf(EXAMPLE))
  const listed = await run('tar', ['--list', '--verbose', '--numeric-owner', '--utc', '--file', path])
  assert.equal(listed.code, 0, listed.stderr)
  assert.deepEqual(
    listed.stdout
      .trim()
      .split('\n')
      .map((line) => line.replace(/\s+/g, ' ')),
    [
      'drwxr-xr-x 0/0 0 1970-01-01 00:00 bin/',
      '-rwxr-xr-x 0/0 513 1970-01-01 00:00 bin/tool',
      '-rw-r--r-- 0/0 0 1970-01-01 00:00 empty',
      `-rw-r--r-- 0/0 5 1970-01-01 00:00 ${LONG}`,
      'drwxrwxrwt 0/0 0 1970-01-01 00:00 tmp/',
    ],
  )
  assert.equal((await run('tar', ['--extract', '--to-stdout', '--file', path, LONG])).stdout, 'hello')
})

test('paths that leave the archive, or read as another, are refused', async () => {
  const paths = ['', '/etc/passwd', '../up', 'a/../b', 'a//b', './a', 'a/', 'a\0b', 'a\nb', 'ä', 'a b', 'x'.repeat(300)]
  for (const path of paths) await assert.rejects(bytesOf([file(path, 'x')]), RangeError, JSON.stringify(path))
  await assert.rejects(bytesOf([file('a', 'x'), file('a', 'y')]), /twice/)
})

test('a file that is not as long as announced is refused, longer or shorter', async () => {
  for (const size of [2, 4])
    await assert.rejects(bytesOf([{ ...file('a', 'abc'), size } as TarEntry]), /does not have the/)
})

test('sizes and modes that do not fit their fields are refused', async () => {
  for (const size of [-1, 0.5, 8 ** 11])
    await assert.rejects(bytesOf([{ kind: 'file', path: 'a', mode: 0o644, size, read: () => [] }]), RangeError)
})

test('whatever is written is read back by tar', async (t) => {
  const folder = await withFolder(t)
  const part = fc.stringMatching(/^[A-Za-z0-9_@+=,~-]{1,40}$/)
  const path = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'))
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(path, { maxLength: 8 }),
      fc.uint8Array({ maxLength: 1200 }),
      async (paths, bytes) => {
        const apart = paths.filter((one) => !paths.some((other) => other.startsWith(`${one}/`)))
        const entries = apart.map((one): TarEntry => ({
          kind: 'file',
          path: one,
          mode: 0o600,
          size: bytes.length,
          read: () => [bytes],
        }))
        const archive = join(folder, 'p.tar')
        await writeFile(archive, await bytesOf(entries))
        const { code, stdout } = await run('tar', ['--list', '--file', archive])
        assert.equal(code, 0)
        assert.deepEqual(stdout.split('\n').filter(Boolean), apart.toSorted())
      },
    ),
    { numRuns: 25 },
  )
})

const LONG = `${'folder/'.repeat(20)}${'name'.repeat(20)}`

const EXAMPLE: readonly TarEntry[] = [
  { kind: 'directory', path: 'bin', mode: 0o755 },
  { ...file('bin/tool', 'x'.repeat(513)), mode: 0o755 },
  file('empty', ''),
  file(LONG, 'hello'),
  { kind: 'directory', path: 'tmp', mode: 0o1777 },
]

function file(path: string, text: string): TarEntry {
  const bytes = Buffer.from(text)
  return { kind: 'file', path, mode: 0o644, size: bytes.length, read: () => [bytes.subarray(0, 2), bytes.subarray(2)] }
}

async function bytesOf(entries: readonly TarEntry[]): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of writeTar(entries)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** The archive block by block: headers as text, contents by their hash. */
function describe(archive: Buffer): string {
  const lines: string[] = []
  for (let at = 0; at < archive.length; at += 512) {
    const block = archive.subarray(at, at + 512)
    const isHeader = block.subarray(257, 262).toString('latin1') === 'ustar'
    const text = block.toString('latin1').replaceAll('\0', '.').replace(/\.+$/, '')
    lines.push(isHeader ? `header ${text}` : `block ${createHash('sha256').update(block).digest('hex').slice(0, 16)}`)
  }
  return lines.join('\n')
}
