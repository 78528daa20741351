import type { HeaderList } from '../http/headers.ts'
import type { ProtectedValue } from './binding.ts'
import { BodyRedactor } from './body-redactor.ts'
import { redactionOf, withoutPauses } from './redaction.ts'
import type { SecretSet } from './secret-set.ts'
import { KnownForms } from './text-forms.ts'
import { TextRedactor } from './text-redactor.ts'

/** What takes values out of the parts of one response. */
export type ResponseRedactor = Pick<SecretSet, 'isEmpty' | 'redactHeaders' | 'redactText'> & {
  bodyRedactor(options?: { readonly pauses?: boolean }): StreamRedactor
}

export type StreamRedactor = Pick<BodyRedactor, 'push' | 'whole' | 'end' | 'redacted'>

/**
 * The set, and what was made for one request alone besides: its signatures. There are as many as requests, so no set
 * could keep them.
 */
export function redactorWith(secrets: ResponseRedactor, made: readonly ProtectedValue[] = []): ResponseRedactor {
  if (made.length === 0) return secrets
  const redaction = redactionOf(made, new KnownForms())
  const unpaced = withoutPauses(redaction)
  const text = new TextRedactor(redaction)
  return {
    isEmpty: false,
    redactHeaders(headers: HeaderList) {
      const first = secrets.redactHeaders(headers)
      const second = text.redactHeaders(first.headers)
      return { headers: second.headers, redacted: [...new Set([...first.redacted, ...second.redacted])] }
    },
    redactText: (phrase) => text.redact(secrets.redactText(phrase), new Set()),
    bodyRedactor: ({ pauses = true } = {}) =>
      inTurn(secrets.bodyRedactor({ pauses }), new BodyRedactor(pauses ? redaction : unpaced)),
  }
}

function inTurn(first: StreamRedactor, second: StreamRedactor): StreamRedactor {
  return {
    push: (chunk) => second.push(first.push(chunk)),
    whole: (bytes) => second.whole(first.whole(bytes)),
    end: () => Buffer.concat([second.push(first.end()), second.end()]),
    get redacted() {
      return new Set([...first.redacted, ...second.redacted])
    },
  }
}
