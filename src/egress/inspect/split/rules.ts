import type { Config } from '../../../config/schema.ts'
import { Secret } from '../../../secrets/secret.ts'
import type { SecretBinding } from '../../secrets/binding.ts'
import { FragmentWatch, type WatchedValue } from '../../secrets/fragment-watch.ts'
import { permissionFor, type NamedPorts } from '../../secrets/permission.ts'
import { zoneFinder } from '../host-labels.ts'
import { isAllowedTo } from '../patterns/allowance.ts'
import { SECRET_PATTERNS } from '../patterns/table.ts'
import type { SecretsOptions } from '../secrets.ts'
import { JoinedPatterns } from './joined-patterns.ts'
import type { SplitRules } from './split.ts'
import { SplitWindow } from './window.ts'

export interface SplitParts {
  readonly bindings: readonly SecretBinding[]
  /** Undefined where credentials are not looked for. */
  readonly options: SecretsOptions | undefined
  readonly namesPort: NamedPorts
}

/** What a configuration says about secrets in pieces. What `before` remembers of pieces that left is taken over. */
export function splitRules(
  { secrets, split, domains }: Config,
  { bindings, options, namesPort }: SplitParts,
  before: SplitRules | undefined,
): SplitRules | undefined {
  if (split === false) return undefined
  const watched = [...bindings.map((binding) => watchedBinding(binding, namesPort)), ...watchedExtras(options)]
  const patterns = new JoinedPatterns(
    secrets.enabled ? SECRET_PATTERNS : [],
    options ?? { builtinAllow: true, allow: new Map() },
    bindings.map(({ placeholder }) => placeholder),
  )
  return {
    settings: split,
    window: before?.window ?? new SplitWindow(),
    watch: new FragmentWatch(watched, split.window_seconds, before?.watch),
    patterns,
    zoneOf: zoneFinder(domains),
  }
}

function watchedBinding(binding: SecretBinding, namesPort: NamedPorts): WatchedValue {
  const { name, value } = binding
  return { name, value, mayGo: (destination) => permissionFor(binding, destination, namesPort) === 'granted' }
}

/** Values that `extra_patterns` names. */
function watchedExtras(options: SecretsOptions | undefined): WatchedValue[] {
  return (options?.extra ?? []).flatMap((extra) => {
    if (!('value' in extra) || options === undefined) return []
    const { name } = extra
    return [
      {
        name,
        value: new Secret(name, extra.value),
        mayGo: ({ authority }) => isAllowedTo({ name, domains: [] }, authority.host, options),
      },
    ]
  })
}
