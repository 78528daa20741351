/** Flags of `run` that take their value from the next word. */
const WITH_VALUE = new Set(['-c', '--config', '-s', '--secret', '--allow', '--project'])

/**
 * Puts `--` before the workload's command line in `run [flags] COMMAND…`, so that from its first word on nothing is ours:
 * `run curl -h` must reach curl, not our help. Other command lines are returned as they are.
 */
export function separateWorkload(argv: readonly string[]): readonly string[] {
  if (argv[0] !== 'run') return argv
  const start = firstWord(argv)
  return argv[start] === undefined || argv[start] === '--'
    ? argv
    : [...argv.slice(0, start), '--', ...argv.slice(start)]
}

function firstWord(argv: readonly string[]): number {
  let index = 1
  while (argv[index] !== undefined && argv[index] !== '--' && argv[index]?.startsWith('-') === true) {
    index += WITH_VALUE.has(argv[index] ?? '') ? 2 : 1
  }
  return index
}
