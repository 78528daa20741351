import type { HeaderList } from '../../http/headers.ts'
import { MalformedResponse } from './malformed.ts'

/** More fields than any server sends; each costs more memory than its bytes. */
const MAX_FIELDS = 1000

/**
 * Field lines from `from` to the end of `text`, each with its CRLF (RFC 9112 section 5). Throws MalformedResponse for
 * whatever parsers are known to read differently: a space before the colon, a folded line, a bare CR or LF, NUL.
 */
export function parseFields(text: string, from: number): HeaderList {
  // A value does not begin with white space: with `(?![ \t])` a run of it is walked through once, not once for each start.
  const line = /([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?![ \t])[\t\x20-\x7e\x80-\xff]*)\r\n/y
  const fields: string[] = []
  for (let at = from; at < text.length; at = line.lastIndex) {
    line.lastIndex = at
    const match = line.exec(text)
    if (match === null) throw new MalformedResponse('a field line is malformed')
    if (fields.length === 2 * MAX_FIELDS) throw new MalformedResponse('there are too many fields')
    fields.push(match[1] as string, withoutTrailingSpace(match[2] as string))
  }
  return fields
}

/** Not `trimEnd`, which takes more for white space than HTTP does: U+00A0 is part of a value. */
function withoutTrailingSpace(value: string): string {
  let end = value.length
  while (end > 0 && isSpace(value.charCodeAt(end - 1))) end -= 1
  return end === value.length ? value : value.slice(0, end)
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}
