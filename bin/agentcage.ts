#!/usr/bin/env node
import module from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

// All else is imported after this: an older Node would end on the first syntax or export that it does not know.
if (Number.parseInt(process.versions.node, 10) < 24) {
  process.stderr.write(`agentcage needs Node 24 or newer; this is ${process.version}\n`)
  process.exit(1)
}

// Not Node's default below /tmp: there, whoever makes the folder first decides what code runs.
module.enableCompileCache(join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'agentcage', 'compile'))
const { main } = await import('../src/cli/main.ts')

process.exitCode = await main(process.argv.slice(2))
