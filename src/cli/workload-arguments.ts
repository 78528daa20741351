import { SCAFFOLD_NAMES } from './scaffold-names.ts'

/** Commands that run a command line of somebody else's. */
interface Runner {
  readonly words: readonly string[]
  /** Flags that take their value from the next word. */
  readonly withValue: ReadonlySet<string>
  /** Words of ours before the command line begins. */
  readonly own: number
}

const RUN_FLAGS = new Set(['-c', '--config', '-s', '--secret', '--allow', '--project', '--scaffold'])
const EXEC_FLAGS = new Set(['-s', '--service'])

const RUNNERS: readonly Runner[] = [
  { words: ['run'], withValue: RUN_FLAGS, own: 0 },
  { words: ['exec'], withValue: EXEC_FLAGS, own: 1 },
  { words: ['cage', 'exec'], withValue: EXEC_FLAGS, own: 1 },
]

/**
 * Puts `--` before the workload's command line in `run [flags] COMMAND…` and `exec [flags] NAME COMMAND…`, so that from its
 * first word on nothing is ours: `run curl -h` must reach curl, not our help. Other command lines are returned as they are.
 */
export function separateWorkload(argv: readonly string[]): readonly string[] {
  const runner = RUNNERS.find(({ words }) => words.every((word, index) => argv[index] === word))
  if (runner === undefined) return argv
  const start = firstWord(argv, runner)
  const ours = argv.slice(0, start).flatMap(splitLines)
  const theirs = argv.slice(start)
  const scaffold = scaffoldIn(ours, theirs)
  if (scaffold !== undefined) return scaffold
  return theirs.length === 0 || theirs[0] === '--' ? [...ours, ...theirs] : [...ours, '--', ...theirs]
}

/**
 * `run claude-code [ARGUMENT…]` and `run claude-code -- COMMAND…` as the flags that say the same. After `--`, or with a
 * configuration, the word is a command like any other.
 */
function scaffoldIn(ours: readonly string[], [name, ...rest]: readonly string[]): readonly string[] | undefined {
  if (ours[0] !== 'run' || name === undefined || !SCAFFOLD_NAMES.some((known) => known === name)) return undefined
  if (ours.some((word) => word === '-c' || /^--config(?:=|$)/.test(word))) return undefined
  const flags = [...ours, '--scaffold', name]
  if (rest.length === 0 || rest[0] === '--') return [...flags, ...rest]
  return [...flags, '--with-arguments', '--', ...rest]
}

function firstWord(argv: readonly string[], { words, withValue, own }: Runner): number {
  let index = words.length
  for (let left = own, word = argv[index]; word !== undefined && word !== '--'; word = argv[index]) {
    if (/^-./.test(word)) {
      index += withValue.has(word) ? 2 : 1
      continue
    }
    if (left === 0) return index
    left -= 1
    index += 1
  }
  return Math.min(index, argv.length)
}

/**
 * `--secret=KEY=VALUE` where the value has line breaks: the framework does not know it for a flag and would hand it, secret
 * and all, to the workload as the name of its program.
 */
function splitLines(word: string): readonly string[] {
  const match = /^(--[a-z]+)=(.*\n.*)$/s.exec(word)
  return match?.[1] === undefined || match[2] === undefined ? [word] : [match[1], match[2]]
}
