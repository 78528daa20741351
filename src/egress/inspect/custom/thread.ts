import { extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { InspectionContext, ResponseContext, Verdict } from '../inspector.ts'
import { failure } from '../verdict.ts'
import type { CustomLook, Question, ThreadData, ThreadMessage } from './messages.ts'
import { relayOutput } from './output.ts'
import type { InspectorProgram } from './program.ts'

/** Milliseconds to load a program and run its `configure`. */
const START_PATIENCE = 10_000

/** Of the heap. Buffers lie outside of it; what they may take is what the time for one look lets them. */
const MEMORY = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 }

const STOPPED = 'has been stopped'

interface Pending {
  readonly settle: (verdict: Verdict) => void
  timer: NodeJS.Timeout
}

/** The program cannot be used; the message says why. */
export class UnusableProgram extends Error {}

/**
 * One thread that runs an inspector. It ends for good when it takes too long or breaks; whatever it was asked, and did not
 * answer, is blocked then. Starting another is its owner's business.
 */
export class InspectorThread {
  readonly #program: InspectorProgram
  readonly #log: (message: string) => void
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  readonly #started = Promise.withResolvers<readonly CustomLook[]>()
  #nextId = 0
  #hasEnded = false

  constructor(program: InspectorProgram, log: (message: string) => void) {
    this.#program = program
    this.#log = log
    this.#worker = new Worker(new URL(`./inspector-worker${extname(import.meta.url)}`, import.meta.url), {
      workerData: threadData(program),
      env: {},
      execArgv: [],
      argv: [],
      stdin: false,
      stdout: true,
      stderr: true,
      resourceLimits: MEMORY,
      name: `inspector ${program.name}`,
    })
    relayOutput(this.#worker, (line) => log(`inspector ${program.name}: ${line}`))
    this.#worker
      .on('message', (message: ThreadMessage) => this.#hear(message))
      .on('error', (error: NodeJS.ErrnoException) => this.#end(endReason(error)))
      .on('exit', () => this.#end('ended'))
      .unref()
    this.#started.promise.catch(() => {}) // Ended before anybody waits for it.
  }

  /** Resolves with the methods that the program has. Rejects with an UnusableProgram. */
  async ready(): Promise<readonly CustomLook[]> {
    const timer = setTimeout(() => this.#end('took too long to start'), START_PATIENCE)
    try {
      return await this.#started.promise
    } finally {
      clearTimeout(timer)
    }
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  get isIdle(): boolean {
    return this.#pending.size === 0
  }

  /** Never rejects. The time counts from when the thread begins with it, and until then the time of those before it. */
  ask(look: CustomLook, context: InspectionContext | ResponseContext): Promise<Verdict> {
    if (this.#hasEnded) return Promise.resolve(this.#failed('ended'))
    const id = this.#nextId++
    return new Promise((settle) => {
      const timer = this.#timer(id, this.#program.timeout * (this.#pending.size + 1))
      this.#pending.set(id, { settle, timer })
      const question = questionOf(id, look, context)
      this.#worker.postMessage(question, [question.body.buffer])
    })
  }

  async stop(): Promise<void> {
    this.#end(STOPPED)
    await this.#worker.terminate()
  }

  #hear(message: ThreadMessage): void {
    switch (message.kind) {
      case 'ready':
        return this.#started.resolve(message.looks)
      case 'unusable':
        this.#started.reject(new UnusableProgram(message.reason))
        return this.#end('could not be started')
      case 'begun': {
        const pending = this.#pending.get(message.id)
        if (pending === undefined) return
        clearTimeout(pending.timer)
        pending.timer = this.#timer(message.id, this.#program.timeout)
        return
      }
      case 'verdict':
        return this.#settle(message.id, message.verdict)
      case 'failed':
        if (message.what === 'threw') this.#log(`inspector ${this.#program.name} failed: ${message.where}`)
        return this.#settle(
          message.id,
          this.#failed(message.what === 'threw' ? 'failed' : 'returned a malformed verdict'),
        )
    }
  }

  #timer(id: number, milliseconds: number): NodeJS.Timeout {
    // Timers go before messages where the event loop was busy: an answer that has come must be heard first.
    return setTimeout(() => setImmediate(() => this.#pending.has(id) && this.#end('took too long')), milliseconds)
  }

  #settle(id: number, verdict: Verdict): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    clearTimeout(pending.timer)
    pending.settle(verdict)
  }

  #end(how: string): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#started.reject(new UnusableProgram(`it ${how}`))
    if (this.#pending.size > 0 && how !== STOPPED)
      this.#log(`inspector ${this.#program.name} ${how}; it is started anew when it is needed`)
    for (const id of this.#pending.keys()) this.#settle(id, this.#failed(how))
    void this.#worker.terminate()
  }

  #failed(how: string): Verdict {
    return failure(`inspector ${this.#program.name} ${how}`)
  }
}

function threadData({ path, source, config }: InspectorProgram): ThreadData {
  const format = /\.m?ts$/.test(path) ? 'module-typescript' : 'module'
  return { url: pathToFileURL(path).href, format, source, config }
}

/** The body is copied by itself: a buffer is a window on memory that other requests lie in too. */
function questionOf(id: number, look: CustomLook, context: InspectionContext | ResponseContext): Question {
  const { views: _, body, ...rest } = context
  return { id, look, context: rest, body: new Uint8Array(body) }
}

function endReason({ code }: NodeJS.ErrnoException): string {
  return code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'ran out of memory' : 'broke'
}
