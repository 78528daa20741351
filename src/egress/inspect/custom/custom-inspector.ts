import type { InspectionContext, Inspector, ResponseContext, Verdict } from '../inspector.ts'
import { failure } from '../verdict.ts'
import { CUSTOM_LOOKS, type CustomLook } from './messages.ts'
import type { InspectorProgram } from './program.ts'
import { InspectorThread } from './thread.ts'

type Context = InspectionContext | ResponseContext

/** The thread keeps the time itself, from when it begins: the chain's limit must not cut in before. */
const NO_LIMIT = 2_147_483_647

/** An inspector of somebody's own. Its thread is started anew when it is needed and the last one broke. */
export class CustomInspector {
  readonly program: InspectorProgram
  readonly #log: (message: string) => void
  #looks: readonly CustomLook[] = []
  #thread: Promise<InspectorThread>
  #state: 'in force' | 'retired' | 'closed' = 'in force'

  /** Loads the program. Rejects with an UnusableProgram, and leaves nothing behind. */
  static async start(program: InspectorProgram, log: (message: string) => void): Promise<CustomInspector> {
    const inspector = new CustomInspector(program, log)
    await inspector.#thread
    return inspector
  }

  private constructor(program: InspectorProgram, log: (message: string) => void) {
    this.program = program
    this.#log = log
    this.#thread = this.#open()
  }

  /** For the chain: with the methods that the program has. */
  get inspector(): Inspector {
    const methods = CUSTOM_LOOKS.filter((look) => this.#looks.includes(look)).map((look) => [
      look,
      (context: Context) => this.#ask(look, context),
    ])
    return { name: this.program.name, timeLimit: NO_LIMIT, ...(Object.fromEntries(methods) as Partial<Inspector>) }
  }

  /** No longer in force: what is asked still is answered, and then the thread ends. */
  async retire(): Promise<void> {
    if (this.#state === 'in force') this.#state = 'retired'
    await this.#stopIdle()
  }

  /** At once; what is asked is blocked. */
  async close(): Promise<void> {
    this.#state = 'closed'
    await (await this.#thread.catch(() => undefined))?.stop()
  }

  async #ask(look: CustomLook, context: Context): Promise<Verdict> {
    try {
      const thread = await this.#current()
      if (thread === undefined) return failure(`inspector ${this.program.name} has been stopped`)
      const verdict = await thread.ask(look, context)
      if (this.#state === 'retired') await this.#stopIdle()
      return verdict
    } catch {
      return failure(`inspector ${this.program.name} could not be started`)
    }
  }

  /** One start for all who wait for it. */
  async #current(): Promise<InspectorThread | undefined> {
    const last = this.#thread
    const thread = await last.catch(() => undefined)
    if (this.#state === 'closed') return undefined
    if (thread !== undefined && !thread.hasEnded) return thread
    if (this.#thread === last) {
      this.#thread = this.#open()
      this.#thread.catch(() => {}) // Whoever waits for it hears of it.
    }
    return this.#thread
  }

  async #open(): Promise<InspectorThread> {
    const thread = new InspectorThread(this.program, this.#log)
    try {
      this.#looks = await thread.ready()
      return thread
    } catch (error) {
      await thread.stop()
      throw error
    }
  }

  async #stopIdle(): Promise<void> {
    const thread = await this.#thread.catch(() => undefined)
    if (thread?.isIdle === true) await thread.stop()
  }
}
