import { spawn, type ChildProcess } from 'node:child_process'
import { hash } from 'node:crypto'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { isErrno } from '../../src/system/files.ts'
import { run, type CommandResult } from '../../test/support/command.ts'

const LAB = join(import.meta.dirname, 'lab')

const FIRST = process.env['AGENTCAGE_LAB'] ?? '/var/tmp/agentcage-lab'

/** How many labs there are, for as many test files at once. */
export const LABS = Number(process.env['AGENTCAGE_LABS'] ?? 1)

/** The lab of this test file, once it has asked for one. */
let own: Promise<number> | undefined

/** How programs of the lab find Node: by the checkout's own, which is mounted there. */
export const NODE = '/project/node_modules/.bin/node'

/** What is published, built for the run: it is what people have, and starts several times as fast as the source. */
export const PROGRAM = '/project/dist/agentcage.js'

/** Runs `lab ARGS` to its end; see the script. */
export async function lab(...args: readonly string[]): Promise<CommandResult> {
  return runLab(await ownLab(), args)
}

/** A lab that no other test file has as long as this process lives: the kernel gives the name of a socket once. */
async function ownLab(): Promise<number> {
  return (own ??= LABS === 1 ? Promise.resolve(1) : claim(1))
}

async function claim(number: number): Promise<number> {
  if (number > LABS) throw new Error(`more test files at once than AGENTCAGE_LABS (${LABS})`)
  const server = createServer()
  const isMine = await new Promise<boolean>((resolve, reject) => {
    server.once('listening', () => resolve(true))
    server.once('error', (error) => (isErrno(error, 'EADDRINUSE') ? resolve(false) : reject(error)))
    server.listen(`\0agentcage-lab-${number}-${hash('sha256', FIRST)}`)
  })
  server.unref()
  return isMine ? number : claim(number + 1)
}

/** As `lab`, for any of several. Standard input is empty unless it is given. */
export async function runLab(number: number, args: readonly string[], input = ''): Promise<CommandResult> {
  return run(LAB, args, { env: environmentOf(number), input })
}

/** For the script: that lab of several. All but the first boot what the first one was built of. */
function environmentOf(number: number): Readonly<Record<string, string | undefined>> {
  if (number === 1) return process.env
  return { ...process.env, AGENTCAGE_LAB: `${FIRST}-${number}`, AGENTCAGE_LAB_BASE: FIRST }
}

/** Runs a command as the user; throws with all that it said unless it ends with 0. */
export async function asUser(...command: readonly string[]): Promise<string> {
  return succeed(['exec', ...command])
}

export async function asRoot(...command: readonly string[]): Promise<string> {
  return succeed(['root', ...command])
}

/** Runs a command as the user, however it ends. */
export async function tryAsUser(command: readonly string[], input?: string): Promise<CommandResult> {
  return runLab(await ownLab(), ['exec', ...command], input)
}

/** `agentcage ARGS` as the user; throws unless it ends with 0. */
export async function agentcage(...args: readonly string[]): Promise<string> {
  return asUser(NODE, PROGRAM, ...args)
}

export async function tryAgentcage(args: readonly string[], input?: string): Promise<CommandResult> {
  return tryAsUser([NODE, PROGRAM, ...args], input)
}

/** Writes a file of the user's; missing folders are made. */
export async function writeUserFile(path: string, content: string): Promise<void> {
  const script = 'mkdir -p "$(dirname "$1")" && cat > "$1"'
  const { code, stderr } = await tryAsUser(['bash', '-c', script, 'write', path], content)
  if (code !== 0) throw new Error(stderr)
}

/** A program of the checkout that goes on in the lab, as root. It ends with the lab. */
export async function startInLab(script: string, number?: number): Promise<ChildProcess> {
  return spawn(LAB, ['root', NODE, `/project/${script}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environmentOf(number ?? (await ownLab())),
  })
}

async function succeed(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await lab(...args)
  if (code === 0) return stdout
  throw new Error(`lab ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`)
}
