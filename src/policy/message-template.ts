/** What a signature covers: text as it stands, and parts of a request. */
export type MessageTemplate = readonly TemplatePart[]

export type TemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  /** The name in lower case. */
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: (typeof FIELDS)[number] }

const FIELDS = ['method', 'host', 'target', 'path', 'query', 'timestamp', 'body'] as const

/**
 * Reads a template: `{method}`, `{host}`, `{target}` (path and query), `{path}`, `{query}`, `{timestamp}`, `{body}`,
 * `{header:NAME}`; `{{` and `}}` for braces. Throws a SyntaxError with the position for anything else.
 */
export function parseTemplate(source: string): MessageTemplate {
  const parts: TemplatePart[] = []
  let text = ''
  for (let at = 0; at < source.length; at += 1) {
    const character = source[at] as string
    if (character !== '{' && character !== '}') text += character
    else if (source[at + 1] === character) text += source[at++]
    else {
      const { name, end } = fieldAt(source, at)
      if (text !== '') parts.push({ kind: 'text', text })
      parts.push(parseField(name, at + 1))
      text = ''
      at = end
    }
  }
  return text === '' ? parts : [...parts, { kind: 'text', text }]
}

/** Whether the template names a part of this kind. */
export function hasPart(template: MessageTemplate, kind: TemplatePart['kind']): boolean {
  return template.some((part) => part.kind === kind)
}

function fieldAt(source: string, at: number): { name: string; end: number } {
  if (source[at] === '}') throw new SyntaxError(`"}" at position ${at + 1} closes nothing; write "}}" for a brace`)
  const end = source.indexOf('}', at)
  if (end === -1) throw new SyntaxError(`"{" at position ${at + 1} is not closed; write "{{" for a brace`)
  return { name: source.slice(at + 1, end), end }
}

function parseField(name: string, position: number): TemplatePart {
  const field = FIELDS.find((candidate) => candidate === name)
  if (field !== undefined) return { kind: field }
  const header = /^header:([A-Za-z0-9!#$%&'*+.^_`|~-]{1,128})$/.exec(name)?.[1]
  if (header !== undefined) return { kind: 'header', name: header.toLowerCase() }
  const known = [...FIELDS, 'header:NAME'].map((text) => `{${text}}`).join(', ')
  throw new SyntaxError(`"{${name}}" at position ${position} is none of ${known}`)
}
