/** Flags of `run` that take their value from the next word. */
const WITH_VALUE = new Set(['-c', '--config', '-s', '--secret', '--allow', '--project'])

/**
 * Puts `--` before the workload's command line in `run [flags] COMMAND…`, so that from its first word on nothing is ours:
 * `run curl -h` must reach curl, not our help. Other command lines are returned as they are.
 */
export function separateWorkload(argv: readonly string[]): readonly string[] {
  if (argv[0] !== 'run') return argv
  const start = firstWord(argv)
  const ours = argv.slice(0, start).flatMap(splitLines)
  const theirs = argv.slice(start)
  return theirs.length === 0 || theirs[0] === '--' ? [...ours, ...theirs] : [...ours, '--', ...theirs]
}

function firstWord(argv: readonly string[]): number {
  let index = 1
  for (let word = argv[index]; word !== undefined && word !== '--' && /^-./.test(word); word = argv[index]) {
    index += WITH_VALUE.has(word) ? 2 : 1
  }
  return index
}

/**
 * `--secret=KEY=VALUE` where the value has line breaks: the framework does not know it for a flag and would hand it, secret
 * and all, to the workload as the name of its program.
 */
function splitLines(word: string): readonly string[] {
  const match = /^(--[a-z]+)=(.*\n.*)$/s.exec(word)
  return match?.[1] === undefined || match[2] === undefined ? [word] : [match[1], match[2]]
}
