#!/usr/bin/env node
import { enableCompileCache } from 'node:module'

enableCompileCache()
const { main } = await import('../src/cli/main.ts')
const { processIo } = await import('../src/cli/io.ts')

process.exitCode = await main(process.argv.slice(2), processIo())
