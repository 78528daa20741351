import type { Config } from './schema.ts'

/** How a workload is confined. */
export type Isolation = 'process' | 'container' | 'microvm'

/** The isolation that a configuration means; `firecracker` is another name for `microvm`. */
export function isolationOf(config: {
  readonly isolation?: Config['isolation']
  readonly container: Pick<Config['container'], 'image'>
}): Isolation {
  const named = config.isolation ?? (config.container.image === undefined ? 'process' : 'container')
  return named === 'firecracker' ? 'microvm' : named
}
