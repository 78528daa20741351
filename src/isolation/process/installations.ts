import { existsSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { HostFacts } from './host.ts'
import { isWithin, realPath } from './paths.ts'

/** Homes of tool managers whose programs are small launchers that need the rest of the folder. */
const MANAGERS = [
  '.asdf',
  '.bun',
  '.deno',
  '.jenv',
  '.local/share/fnm',
  '.local/share/mise',
  '.local/share/pnpm',
  '.local/share/uv',
  '.nodenv',
  '.nvm',
  '.phpenv',
  '.pyenv',
  '.rbenv',
  '.rustup',
  '.rye',
  '.sdkman',
  '.volta',
]

/** Folders that hold far more than one tool: never shown as a whole. */
const BROAD = [
  '.',
  '.cache',
  '.cargo',
  '.config',
  '.local',
  '.local/bin',
  '.local/lib',
  '.local/share',
  '.local/state',
  'Desktop',
  'Documents',
  'Downloads',
  'go',
]

/** Launchers in a folder that is shown alone, and the folder they work from. */
const LAUNCHERS = [{ folder: '.cargo/bin', needs: '.rustup' }]

/** Files that tell that a folder holds more than programs. */
const PRIVATE =
  /^\.?(?:credentials?|auth|tokens?|secrets?|session|cookies|hosts|config)(?:\.(?:json|ya?ml|toml|ini|db|txt|lock))?$/i

/**
 * What else must be shown for the programs in `folder` (without symbolic links) to work: the prefix they were
 * installed under, with its libraries; what lies in `node_modules`, all of that folder. Empty when the folder suffices.
 */
export function installation(folder: string, { home: named }: HostFacts, file = folder): readonly string[] {
  const home = realPath(named) ?? named
  const manager = MANAGERS.map((name) => join(home, name)).find((root) => isWithin(file, root))
  if (manager !== undefined) return [manager]
  const launcher = LAUNCHERS.find((entry) => folder === join(home, entry.folder))
  if (launcher !== undefined) return [join(home, launcher.needs)].filter((path) => existsSync(path))
  const modules = file.indexOf('/node_modules/')
  if (modules > 0) return [file.slice(0, modules + '/node_modules'.length)]
  const prefix = dirname(folder)
  return isPrefix(folder, prefix) && !BROAD.some((name) => join(home, name) === prefix) ? [prefix] : []
}

/** `bin` beside `lib` or `share`, in a folder of its own and with nothing that looks like a login. */
function isPrefix(folder: string, prefix: string): boolean {
  if (!/^(?:s?bin|shims)$/.test(basename(folder)) || dirname(prefix) === '/') return false
  const names = readdirSync(prefix)
  return names.some((name) => /^(?:lib|lib64|libexec|share)$/.test(name)) && !names.some((name) => PRIVATE.test(name))
}
