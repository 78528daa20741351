import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { generateHelpTextForAllCommands, type Application, type CommandContext } from '@stricli/core'
import { buildCli } from '../../src/cli/app.ts'
import { main } from '../../src/cli/main.ts'
import { pageHead } from './markdown.ts'

export async function cliPage(): Promise<string> {
  const sections: string[] = []
  for (const route of routes()) sections.push(`## ${route}\n\n\`\`\`text\n${await helpOf(route)}\n\`\`\`\n`)
  return [
    pageHead('Command line', 'src/cli/routes'),
    'Exit codes: 0 fine, 1 something on the host failed, 2 the request itself was wrong ([errors](errors.md)).',
    'Data goes to standard output, messages to standard error.',
    '',
    '| variable | effect |',
    '| --- | --- |',
    '| `NO_COLOR` | no colour, even on a terminal |',
    '| `FORCE_COLOR` | colour, even where there is no terminal; `0` is none |',
    '| `AGENTCAGE_DEBUG=1` | a stack trace with errors that are defects |',
    '',
    ...sections,
  ].join('\n')
}

/** `agentcage config check` and its like. */
function routes(): readonly string[] {
  // Listing needs no context of ours: nothing runs.
  const app = buildCli() as unknown as Application<CommandContext>
  return generateHelpTextForAllCommands(app).map(([route]) => route)
}

/** What `--help` prints. */
async function helpOf(route: string): Promise<string> {
  const stdout = new PassThrough()
  const printed = text(stdout)
  await main([...route.split(' ').slice(1), '--help'], {
    stdin: new PassThrough(),
    stdout,
    stderr: new PassThrough(),
    env: {},
    cwd: () => '/',
  })
  stdout.end()
  return (await printed).trim()
}
