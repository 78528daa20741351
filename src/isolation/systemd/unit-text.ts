import { CageError } from '../../errors.ts'

/** A line of a unit. The value stands as it is: make it with `unitValue`, `execWords` or `environmentWord`. */
export type Directive = readonly [name: string, value: string]

export interface UnitSection {
  readonly name: string
  readonly directives: readonly Directive[]
}

/** The text of a unit or quadlet. Throws `config_invalid` for a value that would be more than its line. */
export function renderUnit(comment: string, sections: readonly UnitSection[]): string {
  const blocks = sections.map(({ name, directives }) => [`[${name}]`, ...directives.map(line), ''].join('\n'))
  return [`# ${oneLine('the comment', comment)}`, '', ...blocks].join('\n')
}

/** A value that is one text: a description, a path. Percent signs would be specifiers (systemd.unit(5)). */
export function unitValue(text: string): string {
  return text.replaceAll('%', '%%')
}

/** A command line: each word stays one argument and is not expanded (systemd.service(5), COMMAND LINES). */
export function execWords(words: readonly string[]): string {
  return words.map((word) => quoted(word).replaceAll('$', '$$$$')).join(' ')
}

/** `NAME=VALUE` for Environment=. There a dollar is a dollar (systemd.exec(5)). */
export function environmentWord(name: string, value: string): string {
  return quoted(`${name}=${value}`)
}

const PLAIN = /^[A-Za-z0-9_/.:=,@+-]+$/

/** systemd.syntax(7): in double quotes, C-style escapes are read, and nothing else ends the word. */
function quoted(word: string): string {
  if (word.includes('\0')) throw new CageError('config_invalid', `a NUL character in ${JSON.stringify(word)}`)
  const literal = word.replaceAll('%', '%%')
  if (PLAIN.test(literal)) return literal
  const escaped = literal.replace(/["\\\x01-\x1f\x7f]/g, escape)
  return `"${escaped}"`
}

function escape(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
}

function line([name, value]: Directive): string {
  return `${name}=${oneLine(name, value)}`
}

/** A backslash at the end would join the next line to this one. */
function oneLine(name: string, value: string): string {
  if (!/[\x00-\x1f\x7f]|\\$/.test(value)) return value
  throw new CageError('config_invalid', `${name}: ${JSON.stringify(value)} cannot stand in a unit`, {
    hint: 'Remove control characters, and a backslash at the end.',
  })
}
