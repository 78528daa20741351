import type { HeaderList } from '../http/headers.ts'
import { methodsInQuery } from './query-methods.ts'

/** What a request asks for. */
export interface Reading {
  readonly method: string
  /** Path and query. */
  readonly path: string
}

/** Fields by which frameworks let a client say another method than that of the request line. */
const METHOD_FIELDS: ReadonlySet<string> = new Set(['x-http-method-override', 'x-http-method', 'x-method-override'])

/** Fields by which servers behind a rewriting proxy learn the path (CVE-2018-14773). */
const PATH_FIELDS: ReadonlySet<string> = new Set(['x-original-url', 'x-original-uri', 'x-rewrite-url'])

const LENGTHS: ReadonlySet<number> = new Set([...METHOD_FIELDS, ...PATH_FIELDS].map(({ length }) => length))

/**
 * All that a server may take a request for, the request line first: rules by method and path must hold for each, or a
 * field or parameter of the workload's choice would say what the rules forbid the request line to say. Undefined where
 * such fields and parameters contradict each other.
 */
export function readingsOf({
  method,
  path,
  headers,
}: Reading & { readonly headers: HeaderList }): readonly Reading[] | undefined {
  const methods = new Set<string>(methodsInQuery(path))
  if (methods.size === 0 && !hasOverride(headers)) return [{ method, path }]
  const paths = new Set<string>()
  for (let index = 0; index < headers.length; index += 2) {
    const name = (headers[index] as string).toLowerCase()
    if (METHOD_FIELDS.has(name)) methods.add((headers[index + 1] as string).trim().toUpperCase())
    else if (PATH_FIELDS.has(name)) paths.add(asPath((headers[index + 1] as string).trim()))
  }
  for (const rewritten of paths.size === 1 ? paths : [])
    for (const named of methodsInQuery(rewritten)) methods.add(named)
  if (methods.size > 1 || paths.size > 1) return undefined
  return [method, ...methods].flatMap((one) => [path, ...paths].map((other) => ({ method: one, path: other })))
}

/** Whether any field is of the kind, as almost never: all their names begin with `X-` and have one of a few lengths. */
function hasOverride(headers: HeaderList): boolean {
  for (let index = 0; index < headers.length; index += 2) {
    const field = headers[index] as string
    if (!LENGTHS.has(field.length) || (field.charCodeAt(0) | 0x20) !== 0x78) continue
    const name = field.toLowerCase()
    if (METHOD_FIELDS.has(name) || PATH_FIELDS.has(name)) return true
  }
  return false
}

/** What is no path, such as a whole URL, is one that no rule takes for its own: `//` is read in several ways. */
function asPath(value: string): string {
  return value.startsWith('/') ? value : `//${value}`
}
