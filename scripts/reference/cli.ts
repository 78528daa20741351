import { generateHelpTextForAllCommands, type Application, type CommandContext } from '@stricli/core'
import { buildCli } from '../../src/cli/app.ts'
import { pageHead } from './markdown.ts'

export function cliPage(): string {
  // Help needs no context of ours: nothing runs.
  const app = buildCli() as unknown as Application<CommandContext>
  const sections = generateHelpTextForAllCommands(app).map(
    ([route, help]) => `## ${route}\n\n\`\`\`text\n${help.trim()}\n\`\`\`\n`,
  )
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
