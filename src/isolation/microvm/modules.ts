/** What is known about the modules of one kernel. */
export interface ModuleIndex {
  /** `modules.dep`: `PATH: NEEDED…`, paths below the kernel's folder, dependencies from the closest to the farthest. */
  readonly dependencies: string
  /** `modules.builtin`: paths of what is in the kernel itself. */
  readonly builtin: string
}

export interface ModuleOrder {
  /** Paths below the kernel's folder, each after what it needs. */
  readonly load: readonly string[]
  /** Wanted, but neither module nor part of the kernel. */
  readonly missing: readonly string[]
}

/** In which order to load the wanted modules and what they need. Names as `lsmod` prints them. */
export function moduleOrder(index: ModuleIndex, wanted: readonly string[]): ModuleOrder {
  const needs = parseDependencies(index.dependencies)
  const byName = new Map([...needs.keys()].map((path) => [moduleName(path), path]))
  const builtin = new Set(index.builtin.split('\n').filter(Boolean).map(moduleName))
  const load = new Set<string>()
  const missing: string[] = []
  for (const name of wanted) {
    const path = byName.get(moduleName(name))
    if (path !== undefined) [...(needs.get(path) ?? []).toReversed(), path].forEach((file) => load.add(file))
    else if (!builtin.has(moduleName(name))) missing.push(name)
  }
  return { load: [...load], missing }
}

/** `kernel/drivers/char/hw_random/virtio-rng.ko.xz` is `virtio_rng`: kmod takes `-` and `_` for the same. */
export function moduleName(path: string): string {
  return path
    .replace(/^.*\//, '')
    .replace(/\.ko(?:\.(?:gz|xz|zst))?$/, '')
    .replaceAll('-', '_')
}

function parseDependencies(text: string): ReadonlyMap<string, readonly string[]> {
  return new Map(
    text
      .split('\n')
      .filter((line) => line.includes(':'))
      .map((line) => {
        const [path = '', rest = ''] = line.split(/:(.*)/s)
        return [path, rest.trim().split(/\s+/).filter(Boolean)]
      }),
  )
}
