#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

// Not Node's default below /tmp: there, whoever makes the folder first decides what code runs.
enableCompileCache(join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'agentcage', 'compile'))
const { main } = await import('../src/cli/main.ts')

process.exitCode = await main(process.argv.slice(2))
