/**
 * Header fields as they stood on the wire: name, value, name, value, …
 * Case, order and duplicates are kept. Strings hold bytes as Latin-1, as `node:http` gives them.
 */
export type HeaderList = readonly string[]

/** Fields that concern one connection only (RFC 9110 section 7.6.1, RFC 9112 appendix C.2.2); `Proxy-*` is added below. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

/** The values of a field, in order. `name` in lower case. */
export function headerValues(headers: HeaderList, name: string): readonly string[] {
  const values: string[] = []
  for (let index = 0; index < headers.length; index += 2) {
    const field = headers[index] as string
    if (isNamed(field, name)) values.push(headers[index + 1] as string)
  }
  return values
}

/** The first value of a field, or undefined. `name` in lower case. */
export function headerValue(headers: HeaderList, name: string): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    if (isNamed(headers[index] as string, name)) return headers[index + 1]
  }
  return undefined
}

/** By length first: most fields are told apart without making a lower-case copy. */
function isNamed(field: string, name: string): boolean {
  return field.length === name.length && (field === name || field.toLowerCase() === name)
}

/** Without the fields that `drop` names; it gets them in lower case. */
export function withoutHeaders(headers: HeaderList, drop: (name: string) => boolean): string[] {
  const kept: string[] = []
  for (let index = 0; index < headers.length; index += 2) {
    if (!drop((headers[index] as string).toLowerCase()))
      kept.push(headers[index] as string, headers[index + 1] as string)
  }
  return kept
}

/**
 * The fields that may travel on: without the hop-by-hop ones, those that `Connection` names, and `Proxy-*`, and without
 * those that `drop` names besides; it gets them in lower case.
 */
export function endToEnd(headers: HeaderList, drop: (name: string) => boolean = () => false): string[] {
  const named = namedByConnection(headers)
  return withoutHeaders(
    headers,
    (name) => HOP_BY_HOP.has(name) || name.startsWith('proxy-') || named.has(name) || drop(name),
  )
}

const NONE: ReadonlySet<string> = new Set()

function namedByConnection(headers: HeaderList): ReadonlySet<string> {
  const values = headerValues(headers, 'connection')
  if (values.length === 0) return NONE
  const [only = ''] = values
  if (values.length === 1 && /^(?:keep-alive|close)$/i.test(only)) return NONE
  return new Set(
    values.flatMap((value) =>
      value
        .toLowerCase()
        .split(',')
        .map((part) => part.trim()),
    ),
  )
}

/** The list with the field set to one value: in the first one's place, or at the end. */
export function withHeader(headers: HeaderList, name: string, value: string): string[] {
  const lower = name.toLowerCase()
  const result: string[] = []
  let placed = false
  for (let index = 0; index < headers.length; index += 2) {
    const field = headers[index] as string
    if (!isNamed(field, lower)) result.push(field, headers[index + 1] as string)
    else if (!placed) {
      placed = true
      result.push(field, value)
    }
  }
  if (!placed) result.push(name, value)
  return result
}
