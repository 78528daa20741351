import { ERRORS } from '../../src/errors.ts'
import { pageHead, table } from './markdown.ts'

export function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(([code, { summary, exit }]) => [`\`${code}\``, summary, String(exit)])
  return [
    pageHead('Errors', 'src/errors.ts'),
    'Every way agentcage fails on the host. It prints `error: …` on standard error, with what to do where that is known,',
    'and exits with the code given here: 1 something on the host failed, 2 the request itself was wrong.',
    '`agentcage run` otherwise exits with the exit code of its command, 128+N when signal N ended it.',
    'What the workload is told when a request is denied is another matter.',
    '',
    table(['code', 'meaning', 'exit'], rows),
  ].join('\n')
}
