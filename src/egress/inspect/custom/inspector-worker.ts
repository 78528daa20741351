/** The thread of one inspector: loads its program from memory, and asks it. Started by `thread.ts`. */
import { registerHooks } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import { defineInspector } from '../../../inspector.ts'
import { headerValues } from '../../http/headers.ts'
import { ContentViews } from '../decode/content-views.ts'
import { CUSTOM_LOOKS, type PlainVerdict, type Question, type ThreadData, type ThreadMessage } from './messages.ts'

const PUBLIC_NAME = 'agentcage/inspector'
const PUBLIC_URL = 'agentcage:inspector'
const LONGEST_REASON = 500

const data = workerData as ThreadData

/** The program is the text that was hashed. What else it would load nobody has hashed: there is nothing else. */
registerHooks({
  resolve(specifier, context, next) {
    if (specifier === data.url || specifier === PUBLIC_URL) return { url: specifier, shortCircuit: true }
    if (context.parentURL !== data.url) return next(specifier, context)
    if (specifier === PUBLIC_NAME) return { url: PUBLIC_URL, shortCircuit: true }
    if (specifier.startsWith('node:')) return next(specifier, context)
    throw new Error(
      `cannot import ${specifier}: an inspector is one file, and may import ${PUBLIC_NAME} and node: modules`,
    )
  },
  load(url, context, next) {
    if (url === data.url) return { format: data.format, source: data.source, shortCircuit: true }
    if (url !== PUBLIC_URL) return next(url, context)
    return {
      format: 'module',
      source: `export const defineInspector = ${defineInspector.toString()}`,
      shortCircuit: true,
    }
  },
})

type Method = (context: unknown) => unknown

try {
  const program = await load()
  parentPort?.on('message', (question: Question) => void answer(program, question))
  say({ kind: 'ready', looks: CUSTOM_LOOKS.filter((look) => program[look] !== undefined) })
} catch (error) {
  say({ kind: 'unusable', reason: error instanceof Error ? error.message : String(error) })
}

async function load(): Promise<Readonly<Record<string, unknown>>> {
  const { default: program } = (await import(data.url)) as { readonly default?: unknown }
  if (typeof program !== 'object' || program === null) throw new Error('its default export is not an inspector')
  const fields = program as Readonly<Record<string, unknown>>
  if (typeof fields['name'] !== 'string' || fields['name'] === '') throw new Error('its inspector has no name')
  for (const method of ['configure', ...CUSTOM_LOOKS]) {
    if (fields[method] !== undefined && typeof fields[method] !== 'function')
      throw new Error(`${method} of its inspector is not a function`)
  }
  if (CUSTOM_LOOKS.every((look) => fields[look] === undefined)) throw new Error('its inspector looks at nothing')
  await (fields['configure'] as Method | undefined)?.call(program, data.config)
  return fields
}

async function answer(program: Readonly<Record<string, unknown>>, question: Question): Promise<void> {
  const { id, look } = question
  say({ kind: 'begun', id })
  try {
    const verdict = plainVerdict(await (program[look] as Method).call(program, contextOf(question)))
    say(verdict === undefined ? { kind: 'failed', id, what: 'malformed', where: '' } : { kind: 'verdict', id, verdict })
  } catch (error) {
    say({ kind: 'failed', id, what: 'threw', where: whereOf(error) })
  }
}

function contextOf({ look, context, body }: Question): object {
  const { headers, ...rest } = context
  const pairs: [string, string][] = []
  for (let index = 0; index < headers.length; index += 2)
    pairs.push([headers[index] as string, headers[index + 1] as string])
  // Only of a request the head says how its body is coded: the rest was decoded before it came here.
  const contentEncoding = look === 'inspectRequest' ? headerValues(headers, 'content-encoding').join(',') : ''
  return { ...rest, headers: pairs, body: new InspectedBody(body, context.contentType, contentEncoding) }
}

class InspectedBody {
  readonly bytes: Uint8Array
  readonly size: number
  readonly #views: ContentViews

  constructor(bytes: Uint8Array<ArrayBuffer>, contentType: string, contentEncoding: string) {
    this.bytes = bytes
    this.size = bytes.length
    this.#views = new ContentViews({ contentType, contentEncoding, body: Buffer.from(bytes.buffer) })
  }

  get text(): string {
    return this.#views.text
  }

  get entropy(): number {
    return this.#views.entropy
  }
}

/** Nothing but what a verdict has leaves this thread. Undefined for what is none. */
function plainVerdict(value: unknown): PlainVerdict | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { kind, reason, severity = 'warning' } = value as Readonly<Record<string, unknown>>
  if (kind === 'pass') return { kind, reason: '', severity: 'info' }
  if ((kind !== 'flag' && kind !== 'block') || typeof reason !== 'string' || reason === '') return undefined
  if (severity !== 'info' && severity !== 'warning' && severity !== 'error' && severity !== 'critical') return undefined
  return { kind, reason: reason.slice(0, LONGEST_REASON), severity }
}

/** Where in the program it went wrong. Not the message, which may quote what was looked at. */
function whereOf(error: unknown): string {
  if (!(error instanceof Error)) return 'something that is no error'
  const place = typeof error.stack === 'string' ? error.stack.lastIndexOf(`${data.url}:`) : -1
  const position = place === -1 ? undefined : /^:\d+:\d+/.exec(error.stack?.slice(place + data.url.length) ?? '')?.[0]
  return `${/^\w{1,64}$/.test(error.name) ? error.name : 'Error'}${position === undefined ? '' : ` at ${data.url}${position}`}`
}

function say(message: ThreadMessage): void {
  parentPort?.postMessage(message)
}
