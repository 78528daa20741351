/** In the project's top folder; where absent, a folder stands in: that is harmless, and git does not show empty ones. */
export const TOOLS = [
  '.amazonq',
  '.claude',
  '.codex',
  '.continue',
  '.cursor',
  '.devcontainer',
  '.envrc',
  '.gemini',
  '.idea',
  '.kiro',
  '.mcp.json',
  '.opencode',
  '.qwen',
  '.roo',
  '.vscode',
  '.windsurf',
  '.zed',
] as const

/** The same for settings that are read only beside another file. Yarn fails on a folder where it expects a file. */
export const PACKAGE_TOOLS: readonly {
  readonly name: string
  readonly beside: string
  readonly kind: 'directory' | 'file'
}[] = [
  { name: '.npmrc', beside: 'package.json', kind: 'directory' },
  { name: '.yarnrc', beside: 'yarn.lock', kind: 'directory' },
  { name: '.yarnrc.yml', beside: 'yarn.lock', kind: 'file' },
]

/**
 * Protected where they exist: read only by programs that are started in the folder, were told to or ask first, or by
 * programs that fail on anything but a real file. New ones are named at the end.
 */
export const WHERE_PRESENT = [
  '.Rprofile',
  '.aider.conf.yml',
  '.crush.json',
  '.devcontainer.json',
  '.dir-locals.el',
  '.direnv',
  '.exrc',
  '.factory',
  '.fleet',
  '.gdbinit',
  '.ghci',
  '.git-hooks',
  '.helix',
  '.husky',
  '.irbrc',
  '.junie',
  '.kilo',
  '.kilocode',
  '.latexmkrc',
  '.lazy.lua',
  '.lazygit.yml',
  '.lefthook',
  '.lefthook-local',
  '.lefthook-local.yml',
  '.lefthook.toml',
  '.lefthook.yaml',
  '.lefthook.yml',
  '.lldbinit',
  '.mise.toml',
  '.nvim.lua',
  '.nvimrc',
  '.ocamlinit',
  '.octaverc',
  '.overcommit.yml',
  '.pdbrc',
  '.pnpmfile.cjs',
  '.pnpmfile.mjs',
  '.pre-commit-config.yaml',
  '.simple-git-hooks.cjs',
  '.simple-git-hooks.json',
  '.trae',
  '.vimrc',
  'crush.json',
  'kilo.json',
  'kilo.jsonc',
  'lefthook-local.yml',
  'lefthook.toml',
  'lefthook.yaml',
  'lefthook.yml',
  'mise.toml',
  'opencode.json',
  'opencode.jsonc',
] as const

/** What Mercurial and Jujutsu take commands from, by the folder that makes a repository. */
export const OTHER_REPOSITORIES: Readonly<Record<string, readonly string[]>> = {
  '.hg': ['hgrc', 'hgrc-not-shared', 'sharedpath'],
  '.jj': ['repo/config.toml', 'workspace-config.toml'],
}

const NAMES: ReadonlySet<string> = new Set([...TOOLS, ...PACKAGE_TOOLS.map(({ name }) => name), ...WHERE_PRESENT])

/** Whether something of this name, in any folder, holds settings that a tool of the host may act on. */
export function isToolSetting(name: string): boolean {
  return NAMES.has(name) || name.endsWith('.code-workspace')
}
