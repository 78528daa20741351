import { homedir } from 'node:os'
import { dirname, resolve } from 'node:path'

/** What a git configuration says about where else code or configuration is read from. */
export interface GitPaths {
  /** `core.hooksPath`, as written. */
  readonly hooksPath: string | undefined
  /** Files that are included, absolute. */
  readonly includes: readonly string[]
  /** `extensions.worktreeConfig`: `config.worktree` is read too. */
  readonly worktreeConfig: boolean
  /** `extensions.objectFormat`: the hash of object names. */
  readonly objectFormat: string | undefined
  /** Keys that make git run a command, with their values. */
  readonly commands: readonly string[]
}

/**
 * Keys whose value git runs, or reads commands from, during everyday commands such as `git status`. `remote` urls
 * with `ext::` are refused by git itself unless protocol.ext.allow says otherwise.
 */
const COMMANDS = [
  /^core\.(?:fsmonitor|hookspath|sshcommand|pager|editor|askpass|gitproxy|alternaterefscommand|attributesfile)$/,
  /^(?:alias|pager|filter|difftool|mergetool|browser|man)\./,
  /^diff\.(?:external|.*\.(?:command|textconv))$/,
  /^merge\..*\.driver$/,
  /^credential\.(?:.*\.)?helper$/,
  /^gpg\.(?:.*\.)?program$/,
  /^(?:include|includeif\..*)\.path$/,
  /^(?:sequence\.editor|init\.templatedir|uploadpack\.packobjectshook|protocol\.(?:.*\.)?allow|interactive\.difffilter)$/,
  /^(?:remote\..*\.(?:uploadpack|receivepack|vcs)|submodule\..*\.update)$/,
]

/** Values that switch a feature of git's own on or off and run nothing. */
const SWITCH = /^(?:true|false|yes|no|on|off|[01])?$/i

/** Reads the text of a git configuration (git-config(1), "Syntax") as far as the fields above need it. */
export function readGitConfig(text: string, path: string): GitPaths {
  const entries = [...parse(text)]
  const last = (key: string): string | undefined => entries.findLast((entry) => entry.key === key)?.value
  return {
    hooksPath: last('core.hookspath'),
    includes: entries
      .filter(({ key }) => key === 'include.path' || (key.startsWith('includeif.') && key.endsWith('.path')))
      .map(({ value }) => resolve(dirname(path), expandHome(value))),
    worktreeConfig: /^(?:true|yes|on|1|)$/i.test(last('extensions.worktreeconfig') ?? 'false'),
    objectFormat: last('extensions.objectformat'),
    commands: entries
      .filter(({ key, value }) => COMMANDS.some((pattern) => pattern.test(key)) && !SWITCH.test(value))
      .map(({ key, value }) => `${key}=${value}`),
  }
}

/** `user.name` and `user.email` of a configuration, where it has them. */
export function readGitIdentity(text: string): {
  readonly name: string | undefined
  readonly email: string | undefined
} {
  const entries = [...parse(text)].filter(({ value }) => /^[^\x00-\x1f\x7f]{1,256}$/.test(value))
  const last = (name: string): string | undefined => entries.findLast(({ key }) => key === name)?.value
  return { name: last('user.name'), email: last('user.email') }
}

export function expandHome(path: string): string {
  return path.startsWith('~/') ? `${homedir()}${path.slice(1)}` : path
}

function* parse(text: string): Generator<{ readonly key: string; readonly value: string }> {
  let section = ''
  for (const line of text.replace(/\\\r?\n/g, '').split(/\r?\n/)) {
    let rest = line.trim()
    const header = /^\[\s*([A-Za-z0-9.-]+)\s*(?:"((?:[^"\\]|\\.)*)")?\s*\]/.exec(rest)
    if (header !== null) {
      const name = (header[1] ?? '').toLowerCase()
      section = header[2] === undefined ? name : `${name}.${header[2].replace(/\\(.)/g, '$1')}`
      rest = rest.slice(header[0].length).trim()
    }
    const entry = /^([A-Za-z][A-Za-z0-9-]*)\s*(?:=\s*(.*))?$/.exec(rest)
    if (entry !== null)
      yield { key: `${section}.${(entry[1] ?? '').toLowerCase()}`, value: unquote(entry[2] ?? 'true') }
  }
}

/** Removes a comment, quotes and backslashes. */
function unquote(value: string): string {
  let result = ''
  let quoted = false
  for (let at = 0; at < value.length; at++) {
    const character = value.charAt(at)
    if (character === '\\') result += value.charAt(++at)
    else if (character === '"') quoted = !quoted
    else if (!quoted && (character === '#' || character === ';')) break
    else result += character
  }
  return result.trim()
}
