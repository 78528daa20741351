/**
 * What a program needs to start: its loader by the header of the file, its libraries by the loader's own word. A header
 * that lies yields nothing, and a line that reads otherwise than known means that the list cannot be trusted.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { test } from 'node:test'
import { ELF_BYTES, readElf } from '../../../../src/isolation/container/image/elf.ts'
import { librariesOf, parseList } from '../../../../src/isolation/container/image/libraries.ts'
import { fuzz } from '../../../support/fuzz.ts'

test('the Node that runs this needs a loader and the C library, all of which exist', async () => {
  const libraries = await librariesOf(process.execPath)
  assert.ok(libraries !== undefined)
  assert.ok(libraries.files.some((path) => /\/ld-(?:linux|musl)/.test(path)))
  for (const path of libraries.files) assert.ok(existsSync(path), path)
})

test('a script has no libraries that could be told', async () => {
  assert.equal(await librariesOf(import.meta.filename), undefined)
})

test('lists of glibc and of musl are read, and nothing else', () => {
  const glibc = [
    '\tlinux-vdso.so.1 (0x00007ffc)',
    '\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f01)',
    '\t/lib64/ld-linux-x86-64.so.2 (0x00007f02)',
  ]
  assert.deepEqual(parseList(glibc.join('\n')), ['/lib/x86_64-linux-gnu/libm.so.6', '/lib64/ld-linux-x86-64.so.2'])
  const musl = ['\t/lib/ld-musl-x86_64.so.1 (0x7f00)', '\tlibc.musl-x86_64.so.1 => /lib/ld-musl-x86_64.so.1 (0x7f00)']
  assert.deepEqual(parseList(musl.join('\n')), ['/lib/ld-musl-x86_64.so.1'])
  for (const line of ['libm.so.6 => not found', 'statically linked', 'libm.so.6 => libm.so (0x1)', 'x => /a b (0x1)'])
    assert.equal(parseList(line), undefined, line)
})

test('a header that was tampered with anywhere yields a loader below / or nothing, and never throws', async (t) => {
  const real = await startOf(process.execPath)
  assert.match(readElf(real)?.interpreter ?? '', /^\/lib/)
  await fuzz(t, { runs: 2000 }, (random) => {
    const bytes = Buffer.from(real.subarray(0, random.integer(0, 1024)))
    for (let change = random.integer(1, 8); change > 0 && bytes.length > 0; change--)
      bytes[random.integer(0, bytes.length - 1)] = random.integer(0, 255)
    const { interpreter } = readElf(bytes) ?? {}
    assert.ok(interpreter === undefined || /^\/[\x21-\x7e]+$/.test(interpreter))
  })
})

async function startOf(path: string): Promise<Buffer> {
  await using file = await open(path)
  return (await file.read(Buffer.alloc(ELF_BYTES), 0, ELF_BYTES, 0)).buffer
}
