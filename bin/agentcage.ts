#!/usr/bin/env node
import { lstatSync, mkdirSync } from 'node:fs'
import module from 'node:module'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'

// All else is imported after this: an older Node would end on the first syntax or export that it does not know.
if (Number.parseInt(process.versions.node, 10) < 24) {
  process.stderr.write(`agentcage needs Node 24 or newer; this is ${process.version}\n`)
  process.exit(1)
}

// Who can write there decides what code runs: not Node's default below /tmp, and nothing that others may change.
const named = process.env['XDG_CACHE_HOME'] ?? ''
const base = isAbsolute(named) ? named : belowHome('.cache')
if (base !== undefined) {
  const cache = join(base, 'agentcage')
  const compiled = join(cache, 'compile')
  if (isOwn([cache, compiled])) module.enableCompileCache(compiled)
}
const { main } = await import('../src/cli/main.ts')

process.exitCode = await main(process.argv.slice(2))

/** Undefined where nobody knows a home: no `HOME`, and no entry for the user in /etc/passwd. */
function belowHome(name: string): string | undefined {
  try {
    return join(homedir(), name)
  } catch {
    return undefined
  }
}

/** Makes these folders where they are missing, whatever the umask; false: somebody else may write to one. */
function isOwn(folders: readonly [string, string]): boolean {
  try {
    // One by one: Node would go on for ever where a folder that exists takes none (ENOENT: /proc, an automounter's /home).
    for (const folder of [dirname(folders[0]), ...folders]) make(folder)
    return folders.every((folder) => {
      const { uid, mode } = lstatSync(folder)
      return uid === process.geteuid?.() && (mode & 0o22) === 0
    })
  } catch {
    return false // Where nothing can be kept, all is compiled anew.
  }
}

function make(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}
