import { FURTHER_SESSIONS } from './guest-ports.ts'

/**
 * The lines between host and guest. Each is words of printable ASCII with one space between them and a newline at the end.
 * What the guest says may be the workload's word: it is bounded, and what is not exactly a line of the table ends the guest.
 */

/** What a guest may say. */
export type GuestLine =
  | { readonly kind: 'hello'; readonly version: number }
  /** Its file system and network are as asked for. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'started'; readonly session: number }
  /** A signal was sent on, or there was nobody to get it any more. */
  | { readonly kind: 'signalled'; readonly session: number }
  | GuestExit
  | { readonly kind: 'failed'; readonly text: string }

/** `code` as shells have it: 128 + N after signal N. `output` and `errors`: how many bytes were written to the ports. */
export interface GuestExit {
  readonly kind: 'exit'
  readonly session: number
  readonly code: number
  readonly output: number
  readonly errors: number
}

/** What the host asks for. */
export type HostLine =
  /** Seconds since 1970. */
  | { readonly kind: 'clock'; readonly seconds: number }
  /** Appends to a file that the guest keeps: a plain name. */
  | { readonly kind: 'file'; readonly name: string; readonly content: Buffer }
  | { readonly kind: 'setup' }
  | { readonly kind: 'start'; readonly session: number; readonly streams: 'pipes' | 'tty' }
  | { readonly kind: 'signal'; readonly session: number; readonly signal: NodeJS.Signals }
  | { readonly kind: 'resize'; readonly session: number; readonly rows: number; readonly columns: number }

/** Longest line of a guest, without its end. */
export const LONGEST_GUEST_LINE = 256
/** Most content of a file in one line; more is sent in several. */
export const LARGEST_CHUNK = 3072
/** Sessions have the numbers from 0 up to this one. */
const LAST_SESSION = FURTHER_SESSIONS

/** Every number of 15 digits is a safe integer. */
const NUMBER = /^(?:0|[1-9][0-9]{0,14})$/
const FILE_NAME = /^[a-z][a-z0-9]{0,31}$/
const SIGNAL_NAME = /^SIG[A-Z0-9]{2,8}$/

/** Reads one line, without its end. undefined: no line of the table. */
export function parseGuestLine(line: string): GuestLine | undefined {
  if (line.length > LONGEST_GUEST_LINE || !/^[\x20-\x7e]+$/.test(line)) return undefined
  const [kind, ...words] = line.split(' ')
  const [first, second, ...totals] = words.map(wordNumber)
  switch (kind) {
    case 'hello':
      return words.length === 1 && first !== undefined ? { kind, version: first } : undefined
    case 'ready':
      return words.length === 0 ? { kind } : undefined
    case 'started':
    case 'signalled':
      return words.length === 1 && isSession(first) ? { kind, session: first } : undefined
    case 'exit':
      return words.length === 4 ? parseExit([first, second, ...totals]) : undefined
    case 'failed':
      return { kind, text: words.join(' ') }
    default:
      return undefined
  }
}

function parseExit([session, code, output, errors]: readonly (number | undefined)[]): GuestExit | undefined {
  if (!isSession(session) || code === undefined || code > 255) return undefined
  if (output === undefined || errors === undefined) return undefined
  return { kind: 'exit', session, code, output, errors }
}

/** The line with its end. Throws a RangeError for what the guest could not read back as the same. */
export function formatHostLine(line: HostLine): string {
  return `${[line.kind, ...hostWords(line)].join(' ')}\n`
}

function hostWords(line: HostLine): readonly (string | number)[] {
  switch (line.kind) {
    case 'clock':
      return [checked(line.seconds)]
    case 'file':
      if (!FILE_NAME.test(line.name) || line.content.length === 0 || line.content.length > LARGEST_CHUNK)
        throw new RangeError(`not a file for the guest: ${line.name}, ${line.content.length} bytes`)
      return [line.name, line.content.toString('base64')]
    case 'setup':
      return []
    case 'start':
      return [checkedSession(line.session), line.streams]
    case 'signal':
      if (!SIGNAL_NAME.test(line.signal)) throw new RangeError(`not a signal: ${line.signal}`)
      return [checkedSession(line.session), line.signal.slice(3)]
    case 'resize':
      return [checkedSession(line.session), terminalSize(line.rows), terminalSize(line.columns)]
  }
}

/** The lines that give the guest a file. */
export function fileLines(name: string, content: Buffer): readonly HostLine[] {
  const count = Math.ceil(content.length / LARGEST_CHUNK)
  return Array.from({ length: count }, (_, index) => ({
    kind: 'file',
    name,
    content: content.subarray(index * LARGEST_CHUNK, (index + 1) * LARGEST_CHUNK),
  }))
}

/**
 * Cuts what a guest sends into lines, in pieces of any size, and holds no more of it than one line. Once it has thrown a
 * RangeError, for a line that is not one, it takes nothing any more.
 */
export class GuestLines {
  #rest = ''
  #broken = false

  push(bytes: Buffer): readonly GuestLine[] {
    if (this.#broken) return []
    const lines: GuestLine[] = []
    for (const part of bytes.toString('latin1').split(/(?<=\n)/)) {
      this.#rest += part.slice(0, LONGEST_GUEST_LINE + 2)
      const isWhole = this.#rest.endsWith('\n')
      const line = isWhole ? parseGuestLine(this.#rest.slice(0, -1)) : undefined
      if (isWhole ? line === undefined : this.#rest.length > LONGEST_GUEST_LINE) return this.#refuse()
      if (line === undefined) continue
      lines.push(line)
      this.#rest = ''
    }
    return lines
  }

  #refuse(): never {
    this.#broken = true
    throw new RangeError(`the guest said what no guest says: ${JSON.stringify(this.#rest.slice(0, 80))}`)
  }
}

function wordNumber(word: string): number | undefined {
  return NUMBER.test(word) ? Number(word) : undefined
}

function isSession(value: number | undefined): value is number {
  return value !== undefined && value <= LAST_SESSION
}

function checked(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a number for the guest: ${value}`)
  return value
}

function checkedSession(value: number): number {
  if (!isSession(checked(value))) throw new RangeError(`no session has the number ${value}`)
  return value
}

/** struct winsize has 16 bits for each. */
function terminalSize(value: number): number {
  return Math.min(checked(value), 65_535)
}
