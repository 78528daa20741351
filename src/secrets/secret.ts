import { inspect } from 'node:util'

/** A live credential. However it is printed, it prints as `[secret NAME]`; `reveal` is the one way to the value. */
export class Secret {
  readonly name: string
  readonly #value: string

  constructor(name: string, value: string) {
    this.name = name
    this.#value = value
  }

  /** The value. Call it only where the value leaves for its own host, or where it is searched for. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return `[secret ${this.name}]`
  }

  toJSON(): string {
    return this.toString()
  }

  [inspect.custom](): string {
    return this.toString()
  }
}
