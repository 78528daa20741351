/**
 * Parameters by which a client says another method than that of the request line: `_method` where Symfony, Laravel,
 * Spring, WordPress or Express listen, `x-http-method-override` at Firebase.
 */
const PARAMETERS: ReadonlySet<string> = new Set(['_method', 'x-http-method-override'])

/** The methods that the query of `path` names, in capitals. */
export function methodsInQuery(path: string): readonly string[] {
  const start = path.indexOf('?')
  if (start === -1) return NONE
  return path
    .slice(start + 1)
    .split(/[&;]/)
    .map((parameter) => methodIn(parameter))
    .filter((method) => method !== '')
}

const NONE: readonly string[] = []

function methodIn(parameter: string): string {
  const end = parameter.indexOf('=')
  if (end === -1 || !PARAMETERS.has(nameOf(parameter.slice(0, end)))) return ''
  return decoded(parameter.slice(end + 1))
    .trim()
    .toUpperCase()
}

/** As PHP reads names too: without leading spaces, cut at a NUL, with `_` for dots and spaces. */
function nameOf(name: string): string {
  const [whole = ''] = decoded(name).split('\0', 1)
  return whole.replace(/^ +/, '').replaceAll(/[ .]/g, '_').toLowerCase()
}

/** Names and methods are ASCII: other bytes may come out as anything. */
function decoded(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replaceAll(/%([\da-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
}
