/** What a page of the documentation tells its reader to do, in order. */
export type Step =
  | { readonly kind: 'command'; readonly command: string }
  | { readonly kind: 'file'; readonly path: string; readonly text: string }

/**
 * `sh` blocks are commands, one a line, with their comments; lines that end in a backslash go on. A block of another language
 * that begins with a comment that is a path in the home directory is that file. Anything else is to be read only.
 */
export function stepsOf(page: string): readonly Step[] {
  return [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, language, text = '']): readonly Step[] => {
    if (language === 'sh') return commandsOf(text).map((command) => ({ kind: 'command', command }))
    const path = /^(?:#|\/\/) (~\/\S+)\n/.exec(text)?.[1]
    return path === undefined ? [] : [{ kind: 'file', path, text }]
  })
}

function commandsOf(text: string): readonly string[] {
  return text
    .replaceAll('\\\n', '')
    .split('\n')
    .map((line) => line.replace(/ +# .*$/, '').trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}
