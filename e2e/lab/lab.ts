import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { run, type CommandResult } from '../../test/support/command.ts'

const LAB = join(import.meta.dirname, 'lab')

/** How programs of the lab find Node: by the checkout's own, which is mounted there. */
export const NODE = '/project/node_modules/.bin/node'

/** What is published, built for the run: it is what people have, and starts several times as fast as the source. */
export const PROGRAM = '/project/dist/agentcage.js'

/** Runs `lab ARGS` to its end; see the script. */
export async function lab(...args: readonly string[]): Promise<CommandResult> {
  return run(LAB, args)
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
  return run(LAB, ['exec', ...command], input === undefined ? {} : { input })
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
export function startInLab(script: string): ChildProcess {
  return spawn(LAB, ['root', NODE, `/project/${script}`], { stdio: ['ignore', 'pipe', 'inherit'] })
}

async function succeed(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(LAB, args)
  if (code === 0) return stdout
  throw new Error(`lab ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`)
}
