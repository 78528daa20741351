import { Lexer, type Document, type LineCounter } from 'yaml'
import { printable } from '../system/printable.ts'
import { quote, type Problem } from './problem.ts'

/**
 * Words of the text. The parser takes seconds for a megabyte of commas, and the egress reads its configuration anew
 * while it serves.
 */
const MAX_LEXEMES = 300_000

/** What stands against reading the text as YAML at all. */
export function textProblem(text: string): Problem | undefined {
  // YAML 1.2 section 5.1: no control characters but tab and line breaks.
  const control = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/.exec(text)
  if (control !== null) return at(text, control.index, `control character ${quote(control[0])}`)
  let lexemes = 0
  let offset = 0
  for (const lexeme of new Lexer().lex(text)) {
    offset += /^[\x02\x18\x1f]/.test(lexeme) ? 0 : lexeme.length
    lexemes += 1
    if (lexemes > MAX_LEXEMES) return at(text, offset, 'too much for a configuration')
  }
  return undefined
}

/** The first thing that is wrong with the documents themselves: what follows a syntax error is guesswork. */
export function syntaxProblem(documents: readonly Document.Parsed[], lines: LineCounter): Problem | undefined {
  const [first, second] = documents
  const error = first?.errors[0] ?? first?.warnings[0]
  if (error !== undefined) return place(lines, error.pos[0], explain(error.code, error.message))
  if (first !== undefined && first.directives?.yaml.version !== '1.2') {
    return place(lines, 0, 'must be YAML 1.2: remove the %YAML directive')
  }
  if (second !== undefined) return place(lines, second.range[0], 'a second document; a configuration is one document')
  return undefined
}

function explain(code: string, message: string): string {
  if (code === 'TAB_AS_INDENT') return 'tabs cannot indent; use spaces'
  if (code === 'RESOURCE_EXHAUSTION') return 'nested too deeply'
  if (code === 'BLOCK_AS_IMPLICIT_KEY') return 'a second key on one line; put a value that contains ": " in quotes'
  const text = printable(message.charAt(0).toLowerCase() + message.slice(1))
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

function place(lines: LineCounter, offset: number, message: string): Problem {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(line, 1), column: Math.max(col, 1), message, path: '' }
}

function at(text: string, offset: number, message: string): Problem {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1) ?? '').length + 1, message, path: '' }
}
