import { printable } from '../system/printable.ts'

/** Where something stands in a configuration: `['domains', 'list', 0]`. */
export type KeyPath = readonly (string | number)[]

/** One thing that is wrong in a configuration. */
export interface Problem {
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 units. */
  readonly column: number
  readonly message: string
  /** `domains.list[0].host`; '' is the whole file. */
  readonly path: string
}

/** `file:line:col: what is wrong`, as compilers print it, so that editors find the place. */
export function formatProblem(file: string, problem: Problem): string {
  return `${file}:${problem.line}:${problem.column}: ${problem.message}`
}

/** `domains.list[0].host` */
export function formatPath(path: KeyPath): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`
      if (!/^[\w-]+$/.test(part)) return `[${quote(part)}]`
      return index === 0 ? part : `.${part}`
    })
    .join('')
}

/** Text from a file as it may be shown: quoted, cut to a length, and without what could rewrite a terminal line. */
export function quote(text: string): string {
  return printable(JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text))
}
