/**
 * docs/get-started/first-cage.md does what it says. Its `console` blocks are run from top to bottom in one shell, in the
 * home of somebody who has keys; what is printed below a command is what the command prints, `…` standing for anything.
 * A `yaml` block is saved as cage.yaml. `sh` blocks need an internet or a password and are not run.
 */
import assert from 'node:assert/strict'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { withoutCages } from '../isolation/process/real-cage.ts'
import { run } from '../support/command.ts'
import { missingTools } from '../support/requires.ts'
import { makeFolder } from '../support/temporary.ts'
import { COMPILED, PROGRAM } from '../support/program.ts'

const ROOT = join(import.meta.dirname, '../..')
const PAGE = join(ROOT, 'docs/get-started/first-cage.md')

interface Step {
  readonly command: string
  readonly output: string
}

test('what the first steps show is what happens', { skip: withoutCages || missingTools('curl') }, async (t) => {
  const home = await makeFolder()
  t.after(() => rm(home, { recursive: true, force: true }))
  await mkdir(join(home, '.ssh'))
  await writeFile(join(home, '.ssh/id_ed25519'), 'a key\n')
  const steps = stepsOf(await readFile(PAGE, 'utf8'))
  assert.ok(steps.length > 10)

  const outputs = await runAll(steps, home)
  for (const [index, { command, output }] of steps.entries()) assertLike(outputs[index] ?? '', output, command)
})

function stepsOf(page: string): readonly Step[] {
  return [...page.matchAll(/^```(console|yaml)\n(.*?)^```$/gms)].flatMap(([, kind, text = '']): readonly Step[] => {
    if (kind === 'yaml') return [{ command: `cat > cage.yaml <<'END'\n${text}END\n`, output: '' }]
    return text
      .split(/^\$ /m)
      .slice(1)
      .map((step) => {
        const end = step.indexOf('\n')
        return { command: step.slice(0, end), output: step.slice(end + 1) }
      })
  })
}

/** U+001E, which nothing prints, ends the output of each. */
async function runAll(steps: readonly Step[], home: string): Promise<readonly string[]> {
  const agentcage = `agentcage() { '${process.execPath}' '${PROGRAM}' "$@"; }`
  const script = [agentcage, ...steps.map(({ command }) => `${command}\nprintf '\\036'`)].join('\n')
  const env = {
    PATH: process.env['PATH'],
    HOME: home,
    LANG: 'C.UTF-8',
    ...COMPILED,
    GITHUB_TOKEN: 'ghp_not_for_the_agent',
  }
  const { stdout } = await run('bash', ['-c', `exec 2>&1\n${script}`], { cwd: home, env })
  return stdout.split('\x1e')
}

function assertLike(actual: string, expected: string, command: string): void {
  const pattern = expected
    .trimEnd()
    .split('…')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/ {2,}/g, ' +'))
    .join('[^]*')
  assert.match(normal(actual), new RegExp(`^${pattern}$`), `$ ${command}`)
}

/** curl ends no line that the server did not end. */
function normal(text: string): string {
  return text.trimEnd().replace(/\}(?=\d+ allowed)/g, '}\n')
}
