import type { HeaderList } from '../http/headers.ts'
import { BodyRedactor, type Replacement } from './body-redactor.ts'
import type { NeedleIndex } from './needle-index.ts'

/** Redacts short text: header fields and reason phrases. Strings hold bytes as Latin-1. */
export class TextRedactor {
  readonly #values: NeedleIndex
  readonly #replacements: readonly Replacement[]

  constructor(values: NeedleIndex, replacements: readonly Replacement[]) {
    this.#values = values
    this.#replacements = replacements
  }

  /** The same list when it holds no value. */
  redactHeaders(headers: HeaderList): { readonly headers: HeaderList; readonly redacted: readonly string[] } {
    // NUL stands in no field and in no value, so nothing is found across two fields.
    if (!this.#holdsValue(headers.join('\0'))) return { headers, redacted: [] }
    const redacted = new Set<string>()
    const clean = headers.map((text, position) => {
      const without = this.redact(text, redacted)
      return position % 2 === 0 && without !== text ? asFieldName(without) : without
    })
    return { headers: clean, redacted: [...redacted] }
  }

  /** Adds the names of the secrets that were found to `redacted`. */
  redact(text: string, redacted: Set<string>): string {
    if (!this.#holdsValue(text)) return text
    const redactor = new BodyRedactor(this.#values, this.#replacements)
    const clean = Buffer.concat([redactor.push(Buffer.from(text, 'latin1')), redactor.end()])
    for (const name of redactor.redacted) redacted.add(name)
    return clean.toString('latin1')
  }

  #holdsValue(text: string): boolean {
    return !this.#values.isEmpty && this.#values.indexOf(Buffer.from(text, 'latin1')) !== -1
  }
}

/** A field name is a token (RFC 9110 section 5.1), which a placeholder with its colons is not. */
function asFieldName(text: string): string {
  return text.replace(/[^!#$%&'*+.^_`|~0-9A-Za-z-]/g, '-')
}
