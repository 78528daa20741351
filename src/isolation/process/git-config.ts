import { dirname, resolve } from 'node:path'
import { homeFolder } from '../../system/paths.ts'
import { parseGitConfig } from './git-config-syntax.ts'

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
  /^(?:alias|pager|filter|difftool|mergetool|guitool|browser|man|hook)\./,
  /^diff\.(?:external|.*\.(?:command|textconv))$/,
  /^merge\..*\.driver$/,
  /^credential\.(?:.*\.)?helper$/,
  /^gpg\.(?:.*\.)?(?:program|defaultkeycommand)$/,
  /^(?:include|includeif\..*)\.path$/,
  /^(?:sequence\.editor|init\.templatedir|uploadpack\.packobjectshook|protocol\.(?:.*\.)?allow|interactive\.difffilter)$/,
  /^(?:gc\.recentobjectshook|tar\..*\.command|trailer\..*\.(?:command|cmd)|imap\.tunnel|svn\.authorsprog)$/,
  /^instaweb\.(?:httpd|browser)$/,
  /^sendemail\.(?:.*\.)?(?:smtpserver|sendmailcmd|tocmd|cccmd|headercmd)$/,
  /^(?:remote\..*\.(?:uploadpack|receivepack|vcs)|submodule\..*\.update)$/,
  /^lfs\.(?:customtransfer|extension)\./,
]

/** Of these, such a value switches a feature on or off. Elsewhere it is the name of a file or a program like any other. */
const SWITCHED =
  /^(?:core\.(?:fsmonitor|pager)|pager\..*|(?:filter|difftool|mergetool)\..*|credential\.(?:.*\.)?helper)$/
const SWITCH = /^(?:true|false|yes|no|on|off|[01])?$/i

/** Reads the text of a git configuration (git-config(1), "Syntax") as far as the fields above need it. */
export function readGitConfig(text: string, path: string): GitPaths {
  const entries = [...parseGitConfig(text)]
  const last = (key: string): string | undefined => entries.findLast((entry) => entry.key === key)?.value
  return {
    hooksPath: last('core.hookspath'),
    includes: entries
      .filter(({ key }) => key === 'include.path' || (key.startsWith('includeif.') && key.endsWith('.path')))
      .map(({ value }) => resolve(dirname(path), expandHome(value))),
    worktreeConfig: /^(?:true|yes|on|1|)$/i.test(last('extensions.worktreeconfig') ?? 'false'),
    objectFormat: last('extensions.objectformat'),
    commands: entries
      .filter(({ key, value }) => COMMANDS.some((pattern) => pattern.test(key)) && !isSwitch(key, value))
      .map(({ key, value }) => `${key}=${value}`),
  }
}

/** `user.name` and `user.email` of a configuration, where it has them. */
export function readGitIdentity(text: string): {
  readonly name: string | undefined
  readonly email: string | undefined
} {
  const entries = [...parseGitConfig(text)].filter(({ value }) => /^[^\x00-\x1f\x7f]{1,256}$/.test(value))
  const last = (name: string): string | undefined => entries.findLast(({ key }) => key === name)?.value
  return { name: last('user.name'), email: last('user.email') }
}

function isSwitch(key: string, value: string): boolean {
  return SWITCHED.test(key) && SWITCH.test(value)
}

export function expandHome(path: string): string {
  return path.startsWith('~/') ? `${homeFolder()}${path.slice(1)}` : path
}
