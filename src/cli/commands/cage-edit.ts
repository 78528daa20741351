import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfigText, replaceConfig } from '../../cage/change.ts'
import { loadDeployment } from '../../cage/deployment.ts'
import { CageError } from '../../errors.ts'
import type { Io } from '../io.ts'
import { printChange } from '../render/change.ts'

export async function cageEdit(_flags: object, [name]: readonly [string], io: Io): Promise<number> {
  const deployment = await loadDeployment(name, io.env)
  const before = await readConfigText(deployment)
  const after = await edited(before, io)
  if (after === before) {
    io.stdout.write('No changes.\n')
    return 0
  }
  printChange(await replaceConfig(name, io.env, after), { what: `Changed cage '${name}'.`, name, io })
  return 0
}

/** The text after somebody had it in an editor. Theirs is a copy: nothing sees what is half typed. */
async function edited(text: string, io: Io): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'agentcage-edit-'))
  try {
    const path = join(folder, 'cage.yaml')
    await writeFile(path, text, { mode: 0o600 })
    const editor = io.env['VISUAL'] || io.env['EDITOR'] || 'vi'
    // As git and others have it, the variable is a command line for a shell.
    const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'agentcage', path], {
      stdio: 'inherit',
      env: { ...io.env },
    })
    const [code] = (await once(child, 'close')) as [number | null]
    if (code !== 0) throw new CageError('usage', `the editor '${editor}' failed: nothing was changed`)
    return await readFile(path, 'utf8')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
