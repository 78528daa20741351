/**
 * The pages about a server do what they say: all that they tell to write is written, and every command in them is run, from
 * top to bottom, as the user of a fresh server. What cannot be run here as it stands is in `OTHERWISE`, with the reason.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { CommandResult } from '../../test/support/command.ts'
import { asRoot, asUser, lab, NODE, tryAgentcage, tryAsUser, writeUserFile } from '../lab/lab.ts'
import { HOME } from '../container/support.ts'
import { stepsOf, type Step } from './page.ts'

const DOCS = join(import.meta.dirname, '../../docs')
const PAGES = ['get-started/server.md', 'how-to/services.md', 'how-to/containers.md']

interface Otherwise {
  readonly reason: string
  /** What is run in its place. */
  readonly instead?: string
  readonly input?: string
  /** The exit code, where it is not 0. */
  readonly code?: number
}

/** By command. */
const OTHERWISE: Readonly<Record<string, Otherwise>> = {
  'sudo apt-get install -y podman npm': {
    reason: 'the lab has no internet: it was made with Podman, and npm has been used on the checkout outside',
    instead: 'podman --version',
  },
  'sudo apt-get install podman': { reason: 'as above', instead: 'podman --version' },
  'npm ci && npm run build': {
    reason: 'asks the registry; the same commands were run on the checkout outside, which the lab has',
    instead: 'test -x node_modules/.bin/node -a -f dist/agentcage.js',
  },
  'export ANTHROPIC_API_KEY=sk-ant-...': { reason: 'each command has a shell of its own; all of them have it set' },
  'agentcage secret set worker API_TOKEN': { reason: 'it asks', input: 'value-of-the-token-of-worker' },
  'agentcage secret set demo API_TOKEN': { reason: 'it asks', input: 'value-of-the-token-of-demo' },
  'agentcage cage destroy demo': { reason: 'it asks', input: 'y\n' },
  'agentcage shell demo': { reason: 'it is for typing', input: 'echo typed\n' },
  'agentcage logs demo -f': {
    reason: 'it goes on until it is interrupted',
    instead: 'timeout --signal=INT 1 agentcage logs demo -f',
    code: 124,
  },
}

/** What configurations say more in the lab: whose certificates its internet has, and that its addresses are no private ones. */
const UPSTREAM = 'upstream: { ca_file: /run/internet/ca.pem, allow_addresses: [198.18.0.0/15] }\n'

const seen = new Set<string>()

before(async () => {
  for (const name of ['worker', 'demo']) await tryAgentcage(['cage', 'destroy', '-y', name])
  await asUser('bash', '-c', 'rm -rf ~/worker ~/demo ~/agentcage ~/projects && ln -s /project ~/agentcage')
  await asUser('podman', 'tag', 'localhost/agent:lab', 'docker.io/library/node:24-slim')
  // The server's own Node, for agents that run without an image.
  await asRoot('cp', '--dereference', NODE, '/usr/local/bin/node')
})

after(async () => {
  for (const name of ['worker', 'demo']) await tryAgentcage(['cage', 'destroy', '-y', name])
  await asUser('podman', 'untag', 'localhost/agent:lab', 'docker.io/library/node:24-slim')
  await asUser('bash', '-c', 'rm -rf ~/worker ~/demo ~/agentcage ~/projects ~/.local/bin ~/.docs')
  await asRoot('rm', '/usr/local/bin/node')
})

for (const page of PAGES) {
  describe(page, async () => {
    const steps = stepsOf(await readFile(join(DOCS, page), 'utf8'))
    before(async () => writeUserFile(`${HOME}/.docs`, HOME))
    test('tells to do something', () => assert.ok(steps.length > 5))
    for (const step of steps)
      test(nameOf(step), async () => (step.kind === 'file' ? write(step) : execute(step.command)))
    // Each page is a server's whole life.
    after(async () => {
      for (const name of ['worker', 'demo']) await tryAgentcage(['cage', 'destroy', '-y', name])
    })
  })
}

test('nothing is listed that no page says', () => {
  assert.deepEqual([...seen].toSorted(), Object.keys(OTHERWISE).toSorted())
})

function nameOf(step: Step): string {
  return step.kind === 'file' ? step.path : step.command
}

async function write({ path, text }: Extract<Step, { kind: 'file' }>): Promise<void> {
  await writeUserFile(path.replace('~', HOME), path.endsWith('.yaml') ? `${text}${UPSTREAM}` : text)
}

async function execute(command: string): Promise<void> {
  const { instead = command, input, code = 0 } = OTHERWISE[command] ?? {}
  if (OTHERWISE[command] !== undefined) seen.add(command)
  const result = instead.startsWith('sudo ') ? await byRoot(instead) : await byUser(instead, input)
  assert.equal(result.code, code, `${result.stdout}\n${result.stderr}`)
}

/** The folder that one command leaves is the next one's. */
async function byUser(command: string, input?: string): Promise<CommandResult> {
  const script = `cd "$(cat ~/.docs)" && export PATH=~/.local/bin:$PATH ANTHROPIC_API_KEY=sk-ant-of-the-page
    export EDITOR="sed -i s/^domains:/domains:\\\\ #\\\\ edited/"
    ${command}
    code=$?; pwd > ~/.docs; exit $code`
  return tryAsUser(['timeout', '120', 'bash', '-c', script], input)
}

/** There is no sudo: nobody could give it a password. `$USER` is who calls it. */
async function byRoot(command: string): Promise<CommandResult> {
  const { code, stdout, stderr } = await lab('root', 'bash', '-c', `USER=keeper; ${command.slice('sudo '.length)}`)
  return { code, stdout, stderr }
}
