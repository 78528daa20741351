import { readFileSync } from 'node:fs'
import { isatty } from 'node:tty'
import type { StdioEntry } from './launch.ts'

/** Whether this standard input makes the terminal the workload's, with job control. */
export function hasTerminal(stdin: StdioEntry): boolean {
  return isTerminal(stdin) && isForeground()
}

export function isTerminal(stdin: StdioEntry): boolean {
  if (stdin === 'inherit') return isatty(0)
  return typeof stdin === 'number' && isatty(stdin)
}

/** Whether our process group has the terminal: in the background, or without a terminal of our own, nothing can get it. */
function isForeground(): boolean {
  // proc(5): what follows the name is state, ppid, pgrp, session, tty_nr, tpgid.
  const [, , group, , terminal, foreground] = readFileSync('/proc/self/stat', 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ')
  return terminal !== '0' && group === foreground
}
