import {
  ArgumentScannerError,
  formatMessageForArgumentScannerError,
  text_en,
  type ApplicationText,
  type UnsatisfiedPositionalError,
} from '@stricli/core'

/**
 * What the framework says, in the form of all our errors. Values are not repeated: they may be secrets. `command` is what
 * of the command line names one, such as `agentcage secret set`.
 */
export function cliText(command: string): ApplicationText {
  const tryHelp = `  Try '${command} --help'.`
  return {
    ...text_en,
    headers: { ...text_en.headers, usage: 'USAGE', commands: 'COMMANDS', flags: 'FLAGS', arguments: 'ARGUMENTS' },
    briefs: { ...text_en.briefs, argumentEscapeSequence: 'All that follows belongs to the command' },
    noCommandRegisteredForInput: ({ input, corrections }) =>
      `error: no such command: '${input}'${didYouMean(corrections)}\n${tryHelp}`,
    exceptionWhileRunningIntegrationFlag: ({ exception }) =>
      `error: internal: ${exception instanceof Error ? exception.message : String(exception)}`,
    exceptionWhileParsingArguments: (error) => `error: ${argumentProblem(error)}\n${tryHelp}`,
  }
}

function argumentProblem(error: unknown): string {
  if (!(error instanceof ArgumentScannerError)) return error instanceof Error ? error.message : String(error)
  return formatMessageForArgumentScannerError(error, {
    FlagNotFoundError: ({ input, corrections }) =>
      `no such flag: --${input}${didYouMean(corrections.map((flag) => `--${flag}`))}`,
    AliasNotFoundError: ({ input }) => `no such flag: -${input}`,
    ArgumentParseError: ({ externalFlagNameOrPlaceholder: name, exception }) =>
      `${flagOrArgument(name)}: ${exception instanceof Error ? exception.message : String(exception)}`,
    EnumValidationError: ({ externalFlagName, values }) => `--${externalFlagName}: must be one of ${values.join(', ')}`,
    UnsatisfiedFlagError: ({ externalFlagName }) => `--${externalFlagName} is missing or has no value`,
    UnexpectedFlagError: ({ externalFlagName }) => `--${externalFlagName} is given more than once`,
    // It may be the value of a secret that was meant for standard input.
    UnexpectedPositionalError: ({ expectedCount }) =>
      expectedCount === 0 ? 'there are no arguments here' : `there are more arguments than ${expectedCount}`,
    UnsatisfiedPositionalError: (missing) => `${missingArgument(missing)} is missing`,
    InvalidNegatedFlagSyntaxError: ({ externalFlagName }) => `--${externalFlagName} takes no value`,
  })
}

/** A list that begins with something else is called by both: `NAME HOST`. */
function missingArgument({ placeholder, limit }: Pick<UnsatisfiedPositionalError, 'placeholder' | 'limit'>): string {
  const names = placeholder.split(' ')
  return names[Math.min(limit?.[1] ?? 0, names.length - 1)] ?? placeholder
}

/** Placeholders of arguments are in capitals, names of flags are not. */
function flagOrArgument(name: string): string {
  return /^[A-Z]/.test(name) ? name : `--${name}`
}

function didYouMean(corrections: readonly string[]): string {
  return corrections.length === 0
    ? ''
    : ` (did you mean ${corrections.map((name) => name.replaceAll('`', '')).join(' or ')}?)`
}
