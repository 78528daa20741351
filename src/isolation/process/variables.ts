/** A text after expansion, and the names in it that had no value; they became nothing. */
export interface Expansion {
  readonly text: string
  readonly unset: readonly string[]
}

/** Replaces `$NAME` and `${NAME}`; `$$` is a dollar. Whatever else follows a dollar stays as it is. */
export function expandVariables(template: string, lookUp: (name: string) => string | undefined): Expansion {
  const unset: string[] = []
  const text = template.replace(
    /\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})/g,
    (_, dollar?: string, bare?: string, braced?: string) => {
      if (dollar !== undefined) return '$'
      const name = bare ?? braced ?? ''
      const value = lookUp(name)
      if (value === undefined) unset.push(name)
      return value ?? ''
    },
  )
  return { text, unset }
}
