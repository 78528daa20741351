import { endOfRun, nextRun, TOKEN_BYTES } from '../decode/byte-class.ts'
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
    let isOver = false
    this.#literals.search(bytes, (literal, at) => {
      const hit = hitAtLiteral(bytes, this.#byLiteral[literal] as Compiled, at)
      return (isOver = hit !== undefined && found(hit))
    })
    if (!isOver) this.#searchRuns(bytes, found)
  }

  #searchRuns(bytes: Buffer, found: (hit: Hit) => boolean): void {
    if (this.#runs.length === 0) return
    for (let from = 0; ;) {
      const begin = nextRun(bytes, TOKEN_BYTES, { least: this.#leastRun, from })
      if (begin === -1) return
      const end = endOfRun(bytes, TOKEN_BYTES, begin)
      const start = begin + (isEscapeLetter(bytes, begin) ? 1 : 0)
      for (const entry of this.#runs) {
        if (end - start < entry.anchor.least || !fits(bytes, start, entry.anchor)) continue
        const hit = hitInRun(bytes, entry, start)
        if (hit !== undefined && found(hit)) return
      }
      from = end
    }
  }
}

function literalsOf(anchor: Anchor): readonly string[] {
  return anchor.kind === 'run' ? [] : anchor.literals
}

function hitAtLiteral(bytes: Buffer, compiled: Compiled, at: number): Hit | undefined {
  const { anchor } = compiled.pattern
  if (anchor.kind !== 'inner') return hitAt(bytes, compiled, at)
  if (anchor.start === '') return at < anchor.back ? undefined : hitAt(bytes, compiled, at - anchor.back)
  let from = at
  while (from > 0 && at - from < anchor.back && TOKEN_BYTES[bytes[from - 1] as number] === 1) from -= 1
  const before = bytes.toString('latin1', from, at)
  let start = before.indexOf(anchor.start)
  for (let tries = 0; start !== -1 && tries < MAX_STARTS; tries += 1) {
    const hit = hitAt(bytes, compiled, from + start)
    if (hit !== undefined) return hit
    start = before.indexOf(anchor.start, start + 1)
  }
  return undefined
}

/** With the character before it, for what a regex looks back at; the letter of an escape (`\n`) is none. */
function hitAt(bytes: Buffer, { pattern, sticky }: Compiled, start: number): Hit | undefined {
  const context = start > 0 && !isEscapeLetter(bytes, start - 1) ? 1 : 0
  for (const length of [USUAL_LENGTH, MAX_LENGTH]) {
    const text = bytes.toString('latin1', start - context, start + length)
    sticky.lastIndex = context
    const match = sticky.exec(text)
    if (match !== null && (pattern.confirm === undefined || pattern.confirm(match[0]))) {
      return { pattern, start, end: start + match[0].length }
    }
    if (match !== null || !LONG.has(pattern.name)) return undefined
  }
  return undefined
}

/** Formats whose shortest form may be longer than `USUAL_LENGTH`. */
const LONG: ReadonlySet<string> = new Set(['azure_jwt'])

function hitInRun(bytes: Buffer, compiled: Compiled & { readonly anchor: RunAnchor }, start: number): Hit | undefined {
  const { back } = compiled.anchor
  if (back === undefined) return hitAt(bytes, compiled, start)
  const from = Math.max(0, start - back)
  const { anywhere, pattern } = compiled
  anywhere.lastIndex = 0
  const match = anywhere.exec(bytes.toString('latin1', from, start + USUAL_LENGTH))
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
