import { paint, terminalOf, type Style } from '../../src/cli/terminal.ts'
import type { Check } from './checks.ts'

/** Narrower than this, wrapping would do more harm than good. */
const NARROWEST = 40

/** Prints to standard output: in colour and fitted to the width on a terminal, plain and as it is elsewhere. */
export class Screen {
  readonly #terminal = terminalOf(process.stdout, process.env)

  section(text: string): void {
    this.#print(`\n${this.#styled('bold', text)}`)
  }

  text(text: string): void {
    for (const line of this.#wrap(text, '')) this.#print(line)
  }

  /** A command, as one would type it. */
  command(...words: readonly string[]): void {
    this.#print(this.#styled('cyan', `$ agentcage ${words.join(' ')}`))
  }

  /** What a program printed, line by line. */
  quote(output: string): void {
    for (const line of output.trimEnd().split('\n')) {
      for (const part of this.#wrap(line, '  ')) this.#print(part)
    }
  }

  check({ title, holds, saw }: Check): void {
    const mark = holds ? this.#styled('green', 'ok  ') : this.#styled('red', 'FAIL')
    const [first = '', ...more] = this.#wrap(title, '       ')
    this.#print([`  ${mark} ${first.trimStart()}`, ...more].join('\n'))
    if (!holds) this.quote(`     saw ${saw}`)
  }

  #print(text: string): void {
    process.stdout.write(`${text}\n`)
  }

  #styled(style: Style, text: string): string {
    return paint(this.#terminal, style, text)
  }

  /** Breaks at spaces; a word that is longer than a line stays whole. */
  #wrap(text: string, indent: string): readonly string[] {
    const width = Math.max(this.#terminal.width ?? Number.POSITIVE_INFINITY, NARROWEST)
    const lines: string[] = []
    let line = indent + text
    while (line.length > width) {
      const at = line.lastIndexOf(' ', width)
      if (line.slice(0, at).trim() === '') break
      lines.push(line.slice(0, at))
      line = `${indent}  ${line.slice(at + 1)}`
    }
    return [...lines, line]
  }
}
