/** How text is written where a secret stands: as it is, in a JSON string, or percent-encoded in a URL or a form. */
export type Dialect = 'raw' | 'json' | 'percent'

/** The bytes that stand for `text` (UTF-8) in this dialect; they cannot end the string or the component they stand in. */
export function encode(text: string, dialect: Dialect): Buffer {
  switch (dialect) {
    case 'raw':
      return Buffer.from(text)
    case 'json':
      return Buffer.from(jsonEscape(text))
    case 'percent':
      return Buffer.from(percentEncode(text))
  }
}

/**
 * Every spelling of `text` that the injector emits, and those that common encoders give to the same text: a server
 * that repeats a request repeats it in one of these. `raw` comes first.
 */
export function spellings(text: string): readonly { readonly dialect: Dialect; readonly text: string }[] {
  const percent = percentEncode(text)
  return unique([
    { dialect: 'raw', text },
    { dialect: 'json', text: jsonEscape(text) },
    { dialect: 'json', text: jsonEscape(text).replaceAll('/', '\\/') },
    { dialect: 'percent', text: percent },
    { dialect: 'percent', text: percent.replace(/%../g, (escape) => escape.toLowerCase()) },
    { dialect: 'percent', text: percent.replaceAll('%20', '+') },
    { dialect: 'percent', text: encodeURIComponent(text) },
    { dialect: 'percent', text: percent.replaceAll('%2F', '/') },
  ])
}

/** Decides by media type, and by the first character where clients are known to send JSON under another type. */
export function dialectOf(contentType: string, body: Buffer): Dialect {
  const type = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase()
  if (/^[^/]+\/(?:.*[+.-])?(?:json|ndjson|jsonl|json-seq)$/.test(type)) return 'json'
  // `curl -d '{…}'` calls its JSON a form; no form starts with a brace.
  if (type === 'application/x-www-form-urlencoded') return startsLike(body, '{') ? 'json' : 'percent'
  // `fetch` calls a string text/plain.
  if (type === '' || type.startsWith('text/')) return startsLike(body, '{[') ? 'json' : 'raw'
  return 'raw'
}

function startsLike(body: Buffer, openers: string): boolean {
  const first = body.toString('latin1', 0, 64).trimStart()[0]
  return first !== undefined && openers.includes(first)
}

function jsonEscape(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

/** All but the unreserved characters of RFC 3986 section 2.3; `encodeURIComponent` leaves `!'()*`, which have a meaning in places. */
function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function unique<T extends { readonly text: string }>(list: readonly T[]): T[] {
  return list.filter(({ text }, position) => list.findIndex((other) => other.text === text) === position)
}
