/**
 * What @peculiar/x509 needs of the `reflect-metadata` package, which it does not bring along: metadata kept by target
 * and key. Import it before @peculiar/x509.
 */
const store = new WeakMap<object, Map<unknown, unknown>>()

Object.assign(Reflect, {
  defineMetadata(key: unknown, value: unknown, target: object): void {
    store.set(target, (store.get(target) ?? new Map<unknown, unknown>()).set(key, value))
  },
  getOwnMetadata: (key: unknown, target: object): unknown => store.get(target)?.get(key),
  getMetadata(key: unknown, target: object): unknown {
    for (let object: object | null = target; object !== null; object = Reflect.getPrototypeOf(object)) {
      const metadata = store.get(object)
      if (metadata?.has(key)) return metadata.get(key)
    }
    return undefined
  },
})
