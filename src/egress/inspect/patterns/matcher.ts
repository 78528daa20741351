import { endOfRun, nextRun, TOKEN_BYTES } from '../decode/byte-class.ts'
import { finished, Pace, STEP_BYTES, type Steps } from '../steps.ts'
import { LiteralIndex } from './literals.ts'
import type { Anchor, SecretPattern } from './pattern.ts'

/** A credential in a view: which pattern, from where to where. */
export interface Hit {
  readonly pattern: SecretPattern
  readonly start: number
  readonly end: number
}

/** No format is longer, and what is longer is told by its beginning. */
const MAX_LENGTH = 5000
/** Most are over after this. */
const USUAL_LENGTH = 520
/** Places in one token where an inner anchor's credential may begin. */
const MAX_STARTS = 8

interface Compiled {
  readonly pattern: SecretPattern
  readonly sticky: RegExp
  readonly anywhere: RegExp
}

type RunAnchor = Extract<Anchor, { kind: 'run' }>

/** Finds every credential of a table in one pass over the bytes; a regex is tried only where an anchor stands. */
export class PatternMatcher {
  readonly #literals: LiteralIndex
  readonly #byLiteral: readonly Compiled[]
  readonly #runs: readonly (Compiled & { readonly anchor: RunAnchor })[]
  readonly #leastRun: number

  constructor(patterns: readonly SecretPattern[]) {
    const compiled = patterns.map((pattern) => ({
      pattern,
      sticky: new RegExp(pattern.regex, 'y'),
      anywhere: new RegExp(pattern.regex, 'g'),
    }))
    const anchored = compiled.flatMap((entry) =>
      literalsOf(entry.pattern.anchor).map((literal) => ({ literal, entry })),
    )
    this.#literals = new LiteralIndex(anchored.map(({ literal }) => Buffer.from(literal, 'latin1')))
    this.#byLiteral = anchored.map(({ entry }) => entry)
    this.#runs = compiled.flatMap((entry) =>
      entry.pattern.anchor.kind === 'run' ? [{ ...entry, anchor: entry.pattern.anchor }] : [],
    )
    this.#leastRun = Math.min(Infinity, ...this.#runs.map(({ anchor }) => anchor.least))
  }

  /** Calls `found` with each hit until it returns true. */
  search(bytes: Buffer, found: (hit: Hit) => boolean): void {
    finished(this.steps(bytes, found))
  }

  /** The same, with pauses. */
  *steps(bytes: Buffer, found: (hit: Hit) => boolean): Steps<void> {
    const source = new Source(bytes)
    const state = { isOver: false }
    const foundAt = (literal: number, at: number): boolean => {
      const hit = hitAtLiteral(source, this.#byLiteral[literal] as Compiled, at)
      return (state.isOver = hit !== undefined && found(hit))
    }
    for (let from = 0; from < bytes.length && !state.isOver; from += STEP_BYTES) {
      this.#literals.search(bytes, foundAt, { from, before: from + STEP_BYTES })
      yield Math.min(STEP_BYTES, bytes.length - from)
    }
    if (!state.isOver) yield* this.#searchRuns(source, found)
  }

  *#searchRuns(source: Source, found: (hit: Hit) => boolean): Steps<void> {
    const { bytes } = source
    if (this.#runs.length === 0) return
    const pace = new Pace()
    for (let from = 0; ;) {
      if (pace.isDue(from)) yield pace.take(from)
      const begin = nextRun(bytes, TOKEN_BYTES, { least: this.#leastRun, from })
      if (begin === -1) return
      const end = endOfRun(bytes, TOKEN_BYTES, begin)
      const start = begin + (isEscapeLetter(bytes, begin) ? 1 : 0)
      for (const entry of this.#runs) {
        if (end - start < entry.anchor.least || !fits(bytes, start, entry.anchor)) continue
        const hit = hitInRun(source, entry, start)
        if (hit !== undefined && found(hit)) return
      }
      from = end
    }
  }
}

function literalsOf(anchor: Anchor): readonly string[] {
  return anchor.kind === 'run' ? [] : anchor.literals
}

function hitAtLiteral(source: Source, compiled: Compiled, at: number): Hit | undefined {
  const { anchor } = compiled.pattern
  const { bytes } = source
  if (anchor.kind !== 'inner') return hitAt(source, compiled, at)
  if (anchor.start === '') return at < anchor.back ? undefined : hitAt(source, compiled, at - anchor.back)
  let from = at
  while (from > 0 && at - from < anchor.back && TOKEN_BYTES[bytes[from - 1] as number] === 1) from -= 1
  if (at - from < (anchor.least ?? 0)) return undefined
  const before = bytes.toString('latin1', from, at)
  let start = before.indexOf(anchor.start)
  for (let tries = 0; start !== -1 && tries < MAX_STARTS; tries += 1) {
    const hit = hitAt(source, compiled, from + start)
    if (hit !== undefined) return hit
    start = before.indexOf(anchor.start, start + 1)
  }
  return undefined
}

/** With the character before it, for what a regex looks back at; the letter of an escape (`\n`) is none. */
function hitAt(source: Source, { pattern, sticky }: Compiled, start: number): Hit | undefined {
  const { text, offset } = isEscapeLetter(source.bytes, start - 1) ? source.from(start) : source.around(start)
  sticky.lastIndex = start - offset
  const match = sticky.exec(text)
  if (match === null || (pattern.confirm !== undefined && !pattern.confirm(match[0]))) return undefined
  return { pattern, start, end: start + match[0].length }
}

/** A view's bytes as text, Latin-1: piece by piece, and as a whole once it turns out that many pieces are asked for. */
class Source {
  readonly bytes: Buffer
  #pieces = 0
  #whole: string | undefined

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** Text in which `start` stands at `start - offset`, with what is before it. */
  around(start: number): { readonly text: string; readonly offset: number } {
    this.#pieces += 1
    if (this.#pieces <= MANY) {
      const offset = Math.max(0, start - 1)
      return { text: this.bytes.toString('latin1', offset, start + MAX_LENGTH), offset }
    }
    return { text: (this.#whole ??= this.bytes.toString('latin1')), offset: 0 }
  }

  /** Text that begins at `start`. */
  from(start: number): { readonly text: string; readonly offset: number } {
    return { text: this.bytes.toString('latin1', start, start + USUAL_LENGTH), offset: start }
  }
}

/** So many pieces cost as much as the whole of an ordinary body. */
const MANY = 16

function hitInRun(source: Source, compiled: Compiled & { readonly anchor: RunAnchor }, start: number): Hit | undefined {
  const { back } = compiled.anchor
  if (back === undefined) return hitAt(source, compiled, start)
  const from = Math.max(0, start - back)
  const { anywhere, pattern } = compiled
  anywhere.lastIndex = 0
  const match = anywhere.exec(source.bytes.toString('latin1', from, start + USUAL_LENGTH))
  if (match === null || from + match.index > start) return undefined
  return { pattern, start: from + match.index, end: from + match.index + match[0].length }
}

function fits(bytes: Buffer, start: number, { after, begins = '' }: RunAnchor): boolean {
  for (let offset = 0; offset < begins.length; offset += 1) {
    if (bytes[start + offset] !== begins.charCodeAt(offset)) return false
  }
  return after === undefined || (start > 0 && bytes[start - 1] === after.charCodeAt(0))
}

/** Whether the byte is the letter of `\n`, `\r`, `\t`, `\b` or `\f`. */
function isEscapeLetter(bytes: Buffer, at: number): boolean {
  if (at === 0 || bytes[at - 1] !== 0x5c) return false
  const byte = bytes[at]
  return byte === 0x6e || byte === 0x72 || byte === 0x74 || byte === 0x62 || byte === 0x66
}
