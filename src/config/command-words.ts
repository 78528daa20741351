/** What splitting came to: the words, or why this text needs a shell or is not a command. */
export type SplitCommand =
  | { readonly words: readonly [string, ...string[]]; readonly problem?: never }
  | { readonly problem: string }

/** Between words. */
const BLANK = /[ \t]/

/** What a shell would act on outside of quotes. To pass it on as text would be to run another command than was meant. */
const SHELL_SYNTAX = /[$`|&;<>()*?[\]{}\n\r]/

/** The same at the beginning of a word: a home folder, a comment. */
const SHELL_WORD_START = /[~#]/

/**
 * Splits a command as a POSIX shell would one without any of its features, and refuses what uses them. Words end at
 * spaces and tabs. Between single quotes everything is text. Between double quotes `\` takes the meaning from `"`, `\`,
 * `$` and a backquote, elsewhere from any character; `$` and backquotes without it are refused.
 */
export function splitCommand(text: string): SplitCommand {
  const scan = new Scan(text)
  const words: string[] = []
  for (let word = scan.word(); word !== undefined; word = scan.word()) words.push(word)
  const [program, ...args] = words
  if (scan.problem !== undefined) return { problem: scan.problem }
  if (program === undefined || program === '') return { problem: 'names no program' }
  if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(program)) return { problem: 'begins with an assignment, which needs a shell' }
  return { words: [program, ...args] }
}

class Scan {
  problem: string | undefined
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
    if (/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text)) this.problem = 'holds a control character'
  }

  /** The next word; undefined at the end, or when there is a problem. */
  word(): string | undefined {
    while (BLANK.test(this.#peek())) this.#at += 1
    if (this.#peek() === '' || this.problem !== undefined) return undefined
    if (SHELL_WORD_START.test(this.#peek())) return this.#refuse(this.#peek())
    let word = ''
    while (this.#peek() !== '' && !BLANK.test(this.#peek())) {
      const part = this.#part()
      if (part === undefined) return undefined
      word += part
    }
    return word
  }

  /** A quoted part, an escaped character, or a character. */
  #part(): string | undefined {
    const character = this.#take()
    if (character === "'") return this.#singleQuoted()
    if (character === '"') return this.#doubleQuoted()
    if (character === '\\') return this.#peek() === '' ? this.#fail('ends in a backslash') : this.#take()
    return SHELL_SYNTAX.test(character) ? this.#refuse(character) : character
  }

  #singleQuoted(): string | undefined {
    const end = this.#text.indexOf("'", this.#at)
    if (end === -1) return this.#fail('has a quote that does not end')
    const quoted = this.#text.slice(this.#at, end)
    this.#at = end + 1
    return quoted
  }

  #doubleQuoted(): string | undefined {
    let quoted = ''
    for (let character = this.#take(); character !== '"'; character = this.#take()) {
      if (character === '') return this.#fail('has a quote that does not end')
      if (character === '$' || character === '`') return this.#refuse(character)
      quoted += character === '\\' && /["\\$`]/.test(this.#peek()) ? this.#take() : character
    }
    return quoted
  }

  #refuse(character: string): undefined {
    const shown = character === '\n' || character === '\r' ? 'a line break' : character
    return this.#fail(`holds ${shown}, which means something to a shell: quote it, or write {cmd: …, shell: true}`)
  }

  #fail(problem: string): undefined {
    this.problem ??= problem
  }

  #peek(): string {
    return this.#text[this.#at] ?? ''
  }

  #take(): string {
    const character = this.#peek()
    this.#at += 1
    return character
  }
}
