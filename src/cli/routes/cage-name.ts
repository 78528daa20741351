import { cageArgument } from '../arguments.ts'
import { cagesLike } from '../cage-names.ts'
import type { CliContext } from '../command.ts'

/** The positional argument that names a cage that stays; shells complete it. */
export const cageName = {
  parse: cageArgument,
  placeholder: 'NAME',
  brief: 'The cage',
  proposeCompletions(this: CliContext, partial: string): readonly string[] {
    return cagesLike(partial, this.io.env)
  },
} as const

export const onlyCageName = { kind: 'tuple', parameters: [cageName] } as const

export const jsonFlag = { kind: 'boolean', withNegated: false, brief: 'Print JSON' } as const
