import {
  buildCommand,
  type BaseArgs,
  type Command,
  type CommandContext,
  type TypedCommandParameters,
} from '@stricli/core'
import { reportFailure } from './failure.ts'
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
  FLAGS extends Readonly<Partial<Record<keyof FLAGS, unknown>>> = object,
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
