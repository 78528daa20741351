import { spawn } from 'node:child_process'
import type { Podman } from '../../isolation/container/podman.ts'

/** Sees to it that a command in a container gets signals, and that it does not outlive who started it. */
export interface ExecGuard {
  /** For the environment of the command: by it the command and what it starts are found. */
  readonly variable: string
  deliver(signal: NodeJS.Signals): void
  /** The command has ended by itself. */
  release(): void
  /** Ends all of it; resolves when that is done. */
  end(): Promise<void>
}

const NAME = 'AGENTCAGE_EXEC'

/**
 * Starts a shell that waits for our words. `podman exec` passes no signals on, and when it is killed the command goes on:
 * where our words end without `done`, because we were killed, the shell kills whatever has the variable.
 */
export function guardExec(podman: Podman, mark: string): ExecGuard {
  const shell = spawn('/bin/sh', ['-c', GUARD, 'agentcage-exec', podman.program, mark], {
    stdio: ['pipe', 'ignore', 'ignore'],
    env: podman.environment,
    // What a terminal sends to everybody must not end it.
    detached: true,
  })
  const ended = new Promise<void>((resolve) => {
    shell.once('error', () => resolve())
    shell.once('close', () => resolve())
  })
  shell.stdin.on('error', () => {}) // It has ended, and there is nothing more to be done.
  return {
    variable: `${NAME}=${mark}`,
    deliver: (signal) => void shell.stdin.write(`${signal.replace(/^SIG/, '')}\n`),
    release: () => void shell.stdin.end('done\n'),
    async end() {
      shell.stdin.end()
      await ended
    },
  }
}

/** In the user namespace of the containers, where their processes may be looked at and killed. A killed one may have forked. */
const KILL = `
for round in 1 2 3 4 5 6 7 8 9 10; do
  found=
  for file in /proc/[0-9]*/environ; do
    if tr '\\0' '\\n' <"$file" 2>/dev/null | grep -qx "${NAME}=$1"; then
      process=\${file#/proc/} found=yes
      kill -s "$2" "\${process%/environ}" 2>/dev/null
    fi
  done
  [ -n "$found" ] && [ "$2" = KILL ] || break
done`

const GUARD = `
send() { "$1" unshare sh -c '${KILL.replaceAll("'", `'\\''`)}' sh "$2" "$3"; }
while read -r word; do
  [ "$word" != done ] || exit 0
  send "$1" "$2" "$word"
done
send "$1" "$2" KILL`
