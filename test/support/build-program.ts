import { execFile } from 'node:child_process'
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const ROOT = join(import.meta.dirname, '../..')

/** Builds what is published into a folder, which is made if there is none, and returns the path of the program. */
export async function buildProgram(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  await copyFile(join(ROOT, 'package.json'), join(folder, 'package.json'))
  await promisify(execFile)(process.execPath, [join(ROOT, 'scripts/build.ts'), join(folder, 'dist')])
  return join(folder, 'dist/agentcage.js')
}
