import {
  buildCommand,
  type BaseArgs,
  type Command,
  type CommandContext,
  type TypedCommandParameters,
} from '@stricli/core'
import { CageError } from '../errors.ts'
import type { Io } from './io.ts'

/** What the framework hands to a command; `finish` takes its exit code. */
export interface CliContext extends CommandContext {
  readonly io: Io
  finish(exitCode: number): void
}

/** What a command file exports. The result is the exit code; a `CageError` is printed and gives its own. */
export type Action<FLAGS, ARGS extends BaseArgs> = (flags: FLAGS, args: ARGS, io: Io) => Promise<number>

export interface CommandOptions<FLAGS extends Readonly<Partial<Record<keyof FLAGS, unknown>>>, ARGS extends BaseArgs> {
  readonly docs: { readonly brief: string; readonly fullDescription?: string; readonly customUsage?: readonly string[] }
  readonly parameters: NoInfer<TypedCommandParameters<FLAGS, ARGS, CliContext>>
  /** Imports the command's file: start-up pays only for the command that runs. */
  readonly load: () => Promise<Action<FLAGS, ARGS>>
}

/** A route that loads and runs one command file. */
export function command<
  FLAGS extends Readonly<Partial<Record<keyof FLAGS, unknown>>> = NonNullable<unknown>,
  ARGS extends BaseArgs = [],
>(options: CommandOptions<FLAGS, ARGS>): Command<CliContext> {
  return buildCommand<FLAGS, ARGS, CliContext>({
    docs: options.docs,
    parameters: options.parameters,
    async func(flags, ...args) {
      try {
        const action = await options.load()
        this.finish(await action(flags, args, this.io))
      } catch (error) {
        this.finish(reportFailure(error, this.io))
      }
    },
  })
}

/** Prints a failure as a person should see it and returns the exit code. */
export function reportFailure(error: unknown, io: Io): number {
  if (error instanceof CageError) {
    for (const line of error.message.split('\n')) io.stderr.write(`error: ${line}\n`)
    if (error.hint !== undefined) io.stderr.write(`  ${error.hint}\n`)
    return error.exitCode
  }
  io.stderr.write(`error: internal: ${defectText(error, io.env)}\n`)
  return 1
}

/** A stack names paths of this machine and means nothing to most people: only on request. */
function defectText(error: unknown, env: Io['env']): string {
  if (!(error instanceof Error)) return String(error)
  return env['AGENTCAGE_DEBUG'] === '1' ? (error.stack ?? error.message) : error.message
}
