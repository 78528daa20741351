import { open } from 'node:fs/promises'
import { dirname, normalize } from 'node:path'
import { runProgram } from '../../../system/spawn.ts'
import { ELF_BYTES, readElf } from './elf.ts'

/** The files that a program needs beside itself to start, absolute, and where its loader must look for them. */
export interface Libraries {
  readonly files: readonly string[]
  readonly folders: readonly string[]
}

/**
 * The loader and the shared libraries of a program, as the loader itself finds them on this host. Undefined for what is
 * not a program that this host could start.
 */
export async function librariesOf(program: string): Promise<Libraries | undefined> {
  const elf = readElf(await readStart(program))
  if (elf === undefined) return undefined
  if (elf.interpreter === undefined) return { files: [], folders: [] }
  const { code, stdout } = await runProgram(elf.interpreter, ['--list', program], { environment: { LC_ALL: 'C' } })
  const found = code === 0 ? parseList(stdout) : undefined
  if (found === undefined) return undefined
  const libraries = found.filter((path) => path !== elf.interpreter)
  return {
    files: [...new Set([elf.interpreter, ...libraries])].toSorted(),
    folders: [...new Set(libraries.map((path) => dirname(path)))].toSorted(),
  }
}

/**
 * What `ld.so --list` prints, of glibc and of musl: `name => /path (0x…)`, `/path (0x…)` for the loader, and a name alone
 * for what the kernel brings. Undefined when a library is missing or a line reads otherwise.
 */
export function parseList(text: string): readonly string[] | undefined {
  const paths: string[] = []
  for (const line of text.split('\n').map((raw) => raw.trim())) {
    if (line === '' || /^linux-(?:vdso|gate)\.so\.\d+ /.test(line)) continue
    const path = /^(?:\S+ => )?(\/[\x21-\x7e]+) \(0x[0-9a-f]+\)$/.exec(line)?.[1]
    if (path === undefined) return undefined
    paths.push(normalize(path))
  }
  return [...new Set(paths)]
}

async function readStart(path: string): Promise<Buffer> {
  await using file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(ELF_BYTES), 0, ELF_BYTES, 0)
  return buffer.subarray(0, bytesRead)
}
