import { CageError } from '../errors.ts'

/** What takes back the steps of a command that fails. */
export class Undo {
  readonly #steps: (() => Promise<void>)[] = []

  defer(step: () => Promise<void>): void {
    this.#steps.push(step)
  }

  /** The last one first. Where one fails the others are left: what it could not take back, they tell of. */
  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) await step()
  }
}

/** A command failed, and so did putting all back, as when the host goes down meanwhile. */
export function halfDone(cause: unknown, reason: unknown, { mend }: { readonly mend: string }): CageError {
  const lines = [textOf(cause), `all could not be put back as it was: ${textOf(reason)}`]
  return new CageError('service_failed', lines.join('\n'), { hint: mend, cause })
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
