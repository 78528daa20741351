import type { Secret } from '../../secrets/secret.ts'
import type { View } from '../inspect/decode/view.ts'
import { GramIndex, type IndexedText, type Piece } from './gram-index.ts'
import type { Destination } from './permission.ts'
import { GRAM, tellingBytes } from './telling.ts'
import { valueForms, type ValueForm } from './value-forms.ts'

/** A value that must not leave in pieces, but to where it may go whole. */
export interface WatchedValue {
  readonly name: string
  readonly value: Secret
  readonly mayGo: (destination: Destination) => boolean
}

/** How much of a value left: the share of what tells it from ordinary text. */
export interface Leak {
  readonly name: string
  /** 0 to 1. */
  readonly share: number
  readonly isMost: boolean
}

/** So much of a value makes it known; bytes, and the share, or more bytes of a long one. */
const LEAST_LEAK = 12
const MOST_SHARE = 0.6
const MOST_BYTES = 256

/** Of longer values the beginning is watched. */
const LONGEST = 4096

/** Tokens of an hour are replaced by others: so many of the latest are enough, and looking for more costs every request. */
const MOST_ADDED = 64

/** Where a piece may begin in content that is long: others would cost more than they find. */
const SHORT_CONTENT = 4096
const LONG_STEP = 7

/**
 * Knows which bytes of each value left within a time, to whomever: as they are, backwards, in hexadecimal or base64, in
 * pieces of eight bytes or more. Values that have no bytes that could not be anybody's words are not watched. Holds no
 * bytes of the traffic.
 */
export class FragmentWatch {
  readonly #seconds: number
  #values: readonly Coverage[]
  #index: GramIndex
  /** By position in the index. */
  #forms: readonly WatchedForm[]
  /** Those that came since, the latest last. */
  #added: readonly Coverage[] = []

  /** What `before` knows of the same values is taken over. */
  constructor(values: readonly WatchedValue[], seconds: number, before?: FragmentWatch) {
    this.#seconds = seconds
    const known = before === undefined ? [] : before.#values
    this.#values = withoutDuplicates(values).flatMap((watched) => coverageOf(watched, known))
    this.#forms = formsOf(this.#values)
    this.#index = before !== undefined && isSameList(known, this.#values) ? before.#index : indexOf(this.#forms)
  }

  /** Watches one more value from now on, such as a token that was minted; of those the latest ones. */
  add(watched: WatchedValue): void {
    const [coverage] = coverageOf(watched, [])
    if (coverage === undefined || this.#values.some(({ bytes }) => bytes.equals(coverage.bytes))) return
    const [oldest] = this.#added
    const surplus = this.#added.length < MOST_ADDED ? undefined : oldest
    this.#added = [...this.#added.filter((other) => other !== surplus), coverage]
    this.#values = [...this.#values.filter((other) => other !== surplus), coverage]
    this.#forms = formsOf(this.#values)
    this.#index = indexOf(this.#forms)
  }

  get isEmpty(): boolean {
    return this.#index.isEmpty
  }

  /** For one request or message. `now` in milliseconds. */
  look(destination: Destination, now: number): FragmentLook {
    const second = Math.floor(now / 1000)
    // Another value may come while this one is looked at.
    const forms = this.#forms
    return new FragmentLook({
      index: this.#index,
      note: ({ text, offset, length }) => {
        const { form, coverage } = forms[text] as WatchedForm
        if (coverage.watched.mayGo(destination)) return undefined
        const [from, end] = form.span(offset, offset + length)
        coverage.left.fill(second, from, Math.max(from, end))
        return coverage
      },
      leak: (coverage) => leakOf(coverage, second - this.#seconds),
    })
  }
}

/** A value, and when each of its bytes left last. */
interface Coverage {
  readonly watched: WatchedValue
  readonly bytes: Buffer
  readonly telling: Uint8Array
  readonly tellingCount: number
  /** In seconds; 0: never. */
  readonly left: Float64Array
}

interface WatchedForm {
  readonly form: ValueForm
  readonly coverage: Coverage
}

interface LookParts {
  readonly index: GramIndex
  readonly note: (piece: Piece) => Coverage | undefined
  readonly leak: (coverage: Coverage) => Leak | undefined
}

/** Looks at all that one request or message holds, and says what it adds up to with what left before. */
export class FragmentLook {
  readonly #parts: LookParts
  readonly #touched = new Set<Coverage>()

  constructor(parts: LookParts) {
    this.#parts = parts
  }

  see(bytes: Uint8Array): void {
    this.#search(bytes, 0, bytes.length)
  }

  /** All of it; of a view that is kept it is known whether any piece is in it. */
  seeView(view: View): void {
    const { index } = this.#parts
    if (!view.isKept || view.found(index, ({ bytes }) => hasPiece(index, bytes))) this.see(view.bytes)
  }

  /** Only what goes over the seam at `seam`: both sides were seen already, each by itself. */
  seeSeam(bytes: Uint8Array, seam: number): void {
    this.#search(bytes, Math.max(0, seam - GRAM + 1), seam)
  }

  #search(bytes: Uint8Array, from: number, end: number): void {
    const { index, note } = this.#parts
    if (index.isEmpty) return
    index.search(bytes, { from, end, step: stepFor(end - from) }, (piece) => {
      const coverage = note(piece)
      if (coverage !== undefined) this.#touched.add(coverage)
    })
  }

  /** The value of which most is known, among those that were in what was seen. */
  worst(): Leak | undefined {
    if (this.#touched.size === 0) return undefined
    const leaks = [...this.#touched].map((coverage) => this.#parts.leak(coverage)).filter((leak) => leak !== undefined)
    return leaks.toSorted((a, b) => Number(b.isMost) - Number(a.isMost) || b.share - a.share)[0]
  }
}

function formsOf(values: readonly Coverage[]): readonly WatchedForm[] {
  return values.flatMap((coverage) => valueForms(coverage.bytes).map((form) => ({ form, coverage })))
}

function indexOf(forms: readonly WatchedForm[]): GramIndex {
  return new GramIndex(forms.map(({ form, coverage }) => indexed(form, coverage)))
}

function stepFor(length: number): number {
  return length <= SHORT_CONTENT ? 1 : LONG_STEP
}

function hasPiece(index: GramIndex, bytes: Uint8Array): boolean {
  let isFound = false
  index.search(bytes, { from: 0, end: bytes.length, step: stepFor(bytes.length) }, () => {
    isFound = true
  })
  return isFound
}

/** Where two have the same value it may go to where either may. */
function withoutDuplicates(values: readonly WatchedValue[]): WatchedValue[] {
  const byValue = Map.groupBy(values, ({ value }) => value.reveal())
  return [...byValue.values()].map((same) => ({
    ...(same[0] as WatchedValue),
    mayGo: (destination) => same.some(({ mayGo }) => mayGo(destination)),
  }))
}

function isSameList(ones: readonly Coverage[], others: readonly Coverage[]): boolean {
  return (
    ones.length === others.length && ones.every(({ bytes }, index) => bytes.equals(others[index]?.bytes ?? NOTHING))
  )
}

const NOTHING = Buffer.alloc(0)

function coverageOf(watched: WatchedValue, before: readonly Coverage[]): Coverage[] {
  const bytes = Buffer.from(watchedPart(watched.value.reveal())).subarray(0, LONGEST)
  const telling = tellingBytes(bytes)
  const tellingCount = telling.reduce((sum, one) => sum + one, 0)
  if (tellingCount < LEAST_LEAK) return []
  const known = before.find((coverage) => coverage.bytes.equals(bytes))
  return [{ watched, bytes, telling, tellingCount, left: known?.left ?? new Float64Array(bytes.length) }]
}

/** Of a URL with a password only that: host and user are said openly. */
function watchedPart(value: string): string {
  const match = /^[a-z][a-z0-9+.-]*:\/\/[^\s:@/]*:([^\s@/]+)@/i.exec(value)
  return match?.[1] ?? value
}

/** Grams of what tells the value: of the rest everybody may write. */
function indexed({ text, least, stride, span }: ValueForm, { telling }: Coverage): IndexedText {
  const offsets: number[] = []
  for (let offset = 0; offset + GRAM <= text.length; offset += stride) {
    const [from, end] = span(offset, offset + GRAM)
    if (end > from && !telling.subarray(from, end).includes(0)) offsets.push(offset)
  }
  return { text, least, offsets }
}

function leakOf({ watched, telling, tellingCount, left }: Coverage, since: number): Leak | undefined {
  let known = 0
  for (let index = 0; index < left.length; index += 1) {
    if (telling[index] === 1 && (left[index] as number) > Math.max(0, since)) known += 1
  }
  if (known < LEAST_LEAK) return undefined
  const share = known / tellingCount
  return { name: watched.name, share, isMost: share >= MOST_SHARE || known >= MOST_BYTES }
}
