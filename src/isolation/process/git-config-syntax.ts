export interface GitConfigEntry {
  /** Section and name in lower case, a subsection as it is written: `remote.Origin.url`. */
  readonly key: string
  readonly value: string
}

/**
 * The entries of a git configuration (git-config(1), "Syntax"), read byte by byte as git's config.c reads them: a backslash
 * at the end of a comment joins nothing, and a section may begin where another ends. Where git gives up, this goes on with
 * the next line: other programs that read such files are not as strict.
 */
export function* parseGitConfig(text: string): Generator<GitConfigEntry> {
  const source = new Source(text.replace(/^\ufeff/, '').replaceAll('\r\n', '\n'))
  let section = ''
  for (let next = source.take(); next !== undefined; next = source.take()) {
    if (isSpace(next)) continue
    if (next === '[') section = readSection(source) ?? section
    else if (/[A-Za-z]/.test(next)) {
      const name = next + source.takeWhile(NAME)
      const value = readValue(source)
      if (value !== undefined) yield { key: `${section}.${name.toLowerCase()}`, value }
    } else source.skipLine()
  }
}

const NAME = /[A-Za-z0-9-]/

class Source {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  take(): string | undefined {
    return this.#text[this.#at++]
  }

  takeWhile(allowed: RegExp): string {
    const start = this.#at
    while (allowed.test(this.#text[this.#at] ?? '')) this.#at += 1
    return this.#text.slice(start, this.#at)
  }

  /** Up to the end of the line, which is left. */
  skipLine(): void {
    const end = this.#text.indexOf('\n', this.#at - 1)
    this.#at = end === -1 ? this.#text.length : end
  }

  /** Gives the last character back. */
  back(): void {
    this.#at -= 1
  }
}

function isSpace(character: string): boolean {
  return character === ' ' || character === '\t' || character === '\n' || character === '\r'
}

/** After `[`. Undefined for what is none. */
function readSection(source: Source): string | undefined {
  const name = source.takeWhile(/[A-Za-z0-9.-]/).toLowerCase()
  const next = source.take()
  if (next === ']') return name
  if (next === undefined || next === '\n' || !isSpace(next)) return refuse(source)
  source.takeWhile(/[ \t\r]/)
  const subsection = source.take() === '"' ? readSubsection(source) : refuse(source)
  if (subsection === undefined) return undefined
  return source.take() === ']' ? `${name}.${subsection}` : refuse(source)
}

function readSubsection(source: Source): string | undefined {
  let name = ''
  for (let next = source.take(); next !== '"'; next = source.take()) {
    const character = next === '\\' ? source.take() : next
    if (character === undefined || character === '\n') return refuse(source)
    name += character
  }
  return name
}

/** After the name. A name alone means "true". Undefined for what is no value. */
function readValue(source: Source): string | undefined {
  source.takeWhile(/[ \t]/)
  const next = source.take()
  if (next === undefined || next === '\n') return 'true'
  if (next !== '=') return refuse(source)
  let value = ''
  let space = ''
  let isQuoted = false
  for (let character = source.take(); character !== undefined && character !== '\n'; character = source.take()) {
    if (!isQuoted && isSpace(character)) {
      if (value !== '') space += character
      continue
    }
    if (!isQuoted && (character === '#' || character === ';')) {
      source.skipLine()
      continue
    }
    value += space
    space = ''
    if (character === '"') isQuoted = !isQuoted
    else value += character === '\\' ? escaped(source.take()) : character
  }
  return value
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', b: '\b', n: '\n', '\n': '' }

function escaped(character = ''): string {
  return ESCAPES[character] ?? character
}

function refuse(source: Source): undefined {
  source.back()
  source.skipLine()
  return undefined
}
