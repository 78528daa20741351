import type { HeaderList } from '../http/headers.ts'
import { BodyRedactor } from './body-redactor.ts'
import type { Redaction } from './redaction.ts'

/** Redacts short text: header fields and reason phrases. Strings hold bytes as Latin-1. */
export class TextRedactor {
  readonly #redaction: Redaction

  constructor(redaction: Redaction) {
    this.#redaction = redaction
  }

  /** The same list when it holds no value. */
  redactHeaders(headers: HeaderList): { readonly headers: HeaderList; readonly redacted: readonly string[] } {
    // NUL stands in no field and in no value, so nothing is found across two fields.
    const whole = headers.join('\0')
    if (this.redact(whole, new Set()) === whole) return { headers, redacted: [] }
    const redacted = new Set<string>()
    const clean = headers.map((text, position) => {
      const without = this.redact(text, redacted)
      return position % 2 === 0 && without !== text ? asFieldName(without) : without
    })
    return { headers: clean, redacted: [...redacted] }
  }

  /** Adds the names of the secrets that were found to `redacted`. */
  redact(text: string, redacted: Set<string>): string {
    if (text.length < this.#redaction.shortest) return text
    const redactor = new BodyRedactor(this.#redaction)
    const bytes = Buffer.from(text, 'latin1')
    const clean = redactor.whole(bytes)
    if (clean === bytes) return text
    for (const name of redactor.redacted) redacted.add(name)
    return clean.toString('latin1')
  }
}

/** A field name is a token (RFC 9110 section 5.1), which a placeholder with its colons is not. */
function asFieldName(text: string): string {
  return text.replace(/[^!#$%&'*+.^_`|~0-9A-Za-z-]/g, '-')
}
