import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import wabt from 'wabt'

const SOURCE = join(import.meta.dirname, '../../src/egress/simd/passes.wat')

/** The assembled passes as text, so that they are published with the program and no file is looked for. */
export async function passesModule(): Promise<string> {
  const assembler = await wabt()
  const assembled = assembler.parseWat('passes.wat', await readFile(SOURCE, 'utf8'), { simd: true })
  assembled.validate()
  const { buffer } = assembled.toBinary({})
  assembled.destroy()
  return `/** WebAssembly made from passes.wat by scripts/generate.ts, in base64. */
export const PASSES =
  '${Buffer.from(buffer).toString('base64')}'
`
}
