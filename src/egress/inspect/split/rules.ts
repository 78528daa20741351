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

type Valued = Pick<SecretBinding, 'name' | 'value' | 'injectTo'>

export interface SplitParts {
  /** Values of secrets, with where they may go. */
  readonly values: readonly Valued[]
  readonly placeholders: readonly Pick<SecretBinding, 'placeholder'>[]
  /** Undefined where credentials are not looked for. */
  readonly options: SecretsOptions | undefined
  readonly namesPort: NamedPorts
}

/** What a configuration says about secrets in pieces. What `before` remembers of pieces that left is taken over. */
export function splitRules(
  { secrets, split, domains }: Config,
  { values, placeholders, options, namesPort }: SplitParts,
  before: SplitRules | undefined,
): SplitRules | undefined {
  if (split === false) return undefined
  const watched = [...values.map((value) => watchedValue(value, namesPort)), ...watchedExtras(options)]
  const patterns = new JoinedPatterns(
    secrets.enabled ? SECRET_PATTERNS : [],
    options ?? { builtinAllow: true, allow: new Map() },
    placeholders.map(({ placeholder }) => placeholder),
  )
  const watch = new FragmentWatch(watched, split.window_seconds, before?.watch)
  return {
    settings: split,
    window: before?.window ?? new SplitWindow(),
    watch,
    protect: (value) => watch.add(watchedValue(value, namesPort)),
    patterns,
    zoneOf: zoneFinder(domains),
  }
}

function watchedValue(valued: Valued, namesPort: NamedPorts): WatchedValue {
  const { name, value } = valued
  return { name, value, mayGo: (destination) => permissionFor(valued, destination, namesPort) === 'granted' }
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
