import type { Hostname } from '../../../policy/host.ts'
import type { FragmentLook, FragmentWatch, Leak } from '../../secrets/fragment-watch.ts'
import type { ProtectedValue } from '../../secrets/binding.ts'
import type { ContentViews } from '../decode/content-views.ts'
import { viewsOfMessage, viewsOfQuestion, viewsOfRequest } from '../decode/context-views.ts'
import { PASS, type HeadContext, type Inspector, type Verdict } from '../inspector.ts'
import { ANCHOR_BYTES, NO_ANCHORS, type JoinedPatterns } from './joined-patterns.ts'
import { LONGEST_NUMBERED } from './numbered-pieces.ts'
import type { PieceStream } from './piece-stream.ts'
import { decodedPiece, headerPieces, hostPieces, targetPieces, tokenPieces, type Piece } from './pieces.ts'
import type { Places, SplitWindow } from './window.ts'

export interface SplitSettings {
  readonly action: 'flag' | 'block'
  readonly window_seconds: number
}

export interface SplitRules {
  readonly settings: SplitSettings
  readonly window: SplitWindow
  readonly watch: FragmentWatch
  /** Watches one more value from now on, such as a token that was minted. */
  protect(value: ProtectedValue): void
  readonly patterns: JoinedPatterns
  /** What shares a window: a host and its neighbours. */
  readonly zoneOf: (host: Hostname) => Hostname
}

/** Of a long body the beginning may complete what came before, and the end may be completed by what follows. */
const BODY_EDGE = 512

/** All pieces that are new, whatever their place. */
const ANYWHERE = ''

/** Secrets in pieces: what one zone, or all of them, were sent in small parts, put together again. */
export function splitInspector(rules: SplitRules, clock: () => Date): Inspector {
  return {
    name: 'split',
    inspectRequest(context) {
      const views = context.views ?? viewsOfRequest(context)
      const look = new SplitLook(rules, context, clock().getTime())
      look.head()
      look.body('body', views)
      return look.verdict()
    },
    inspectMessage(context) {
      if (context.direction === 'inbound') return PASS
      const look = new SplitLook(rules, context, clock().getTime())
      look.body('message', context.views ?? viewsOfMessage(context))
      return look.verdict()
    },
    inspectQuestion(context) {
      const look = new SplitLook(rules, context, clock().getTime())
      look.question(viewsOfQuestion(context))
      return look.verdict()
    },
  }
}

/** One request or message, judged together with what came before it. What is blocked leaves no trace in the window. */
class SplitLook {
  readonly #rules: SplitRules
  readonly #context: HeadContext
  readonly #now: number
  readonly #zone: Hostname
  readonly #places: Places
  readonly #fragments: FragmentLook
  readonly #undo: (() => void)[] = []
  readonly #keep: (() => void)[] = []
  #found: string | undefined
  #hint: string | undefined

  constructor(rules: SplitRules, context: HeadContext, now: number) {
    const { host, port, url, method, path } = context
    this.#rules = rules
    this.#context = context
    this.#now = now
    this.#zone = rules.zoneOf(host)
    this.#places = rules.window.of(this.#zone)
    const scheme = url.startsWith('https:') ? 'https' : 'http'
    this.#fragments = rules.watch.look({ authority: { host, port }, scheme, method, path }, now)
  }

  head(): void {
    const { path, headers, host } = this.#context
    const pieces: Piece[] = []
    const take = (piece: Piece): void => void pieces.push(piece)
    hostPieces(host, this.#zone, take)
    targetPieces(path, take)
    headerPieces(headers, this.#places.headers, take)
    this.#keep.push(() => (this.#places.headers = headers))
    this.#take(pieces)
  }

  /** A name that DNS is asked for. */
  question(views: ContentViews): void {
    for (const { bytes } of views) this.#fragments.see(bytes)
    const pieces: Piece[] = []
    hostPieces(this.#context.host, this.#zone, (piece) => void pieces.push(piece))
    this.#take(pieces)
  }

  /** All views for values that are known; the plain body joined with those before it, and word by word. */
  body(place: string, views: ContentViews): void {
    let plain: Buffer | undefined
    for (const view of views) {
      this.#fragments.seeView(view)
      if (view.origin === 'body' && view.depth === 0) plain = view.bytes
    }
    if (plain === undefined || plain.length === 0) return
    const isLong = plain.length > 2 * BODY_EDGE
    this.#join(`${place}, whole`, plain.toString('latin1', 0, isLong ? BODY_EDGE : plain.length))
    if (isLong) {
      const end = plain.toString('latin1', plain.length - BODY_EDGE)
      this.#keep.push(() => this.#keepEnd(`${place}, whole`, end))
      return
    }
    const pieces: Piece[] = []
    tokenPieces(place, plain.toString('latin1'), (piece) => void pieces.push(piece))
    // A body of one word is its own whole.
    if (pieces.length > 1) this.#take(pieces)
  }

  verdict(): Verdict {
    const { action, window_seconds: seconds } = this.#rules.settings
    const leak = this.#fragments.worst()
    const verdict = verdictOf({ leak, found: this.#found, hint: this.#hint }, action, seconds)
    for (const step of verdict.kind === 'block' ? this.#undo.toReversed() : this.#keep) step()
    return verdict
  }

  /** Only what is not as it was the last time. */
  #take(pieces: readonly Piece[]): void {
    const fresh = pieces.filter(({ place, text }) => !this.#stream(place).endsWith(text))
    const index = fresh.find(({ text }) => /^\d{1,4}$/.test(text))
    for (const piece of fresh) {
      const { place, text } = piece
      const stream = this.#join(place, text)
      this.#append(undefined, this.#stream(ANYWHERE), text)
      const decoded = decodedPiece(text)
      if (decoded !== undefined) this.#append(place, stream.decoded, decoded, true)
      const number = piece.number ?? (index === undefined || index === piece ? undefined : Number(index.text))
      if (number !== undefined) this.#number(piece, number, stream)
    }
  }

  /** To its place in the zone, and to the same place of all zones where there are several. */
  #join(place: string, text: string): PieceStream {
    const { window, settings } = this.#rules
    const stream = this.#stream(place)
    if (stream.endsWith(text)) return stream
    this.#append(place, stream, text)
    const shared = window.all.at(place, this.#now, settings.window_seconds * 1000)
    if (window.zones > 1) this.#append(place, shared, text)
    else this.#add(shared, text)
    shared.anchor(stream.anchors)
    return stream
  }

  /** For the beginning of the next body. */
  #keepEnd(place: string, end: string): void {
    const anchors = this.#rules.patterns.anchorsIn(Buffer.from(end, 'latin1'))
    for (const places of [this.#places, this.#rules.window.all]) {
      const stream = places.at(place, this.#now, this.#rules.settings.window_seconds * 1000)
      stream.append(end)
      stream.anchor(anchors)
    }
  }

  /** `isUnseen`: the text stands nowhere as it is. */
  #append(place: string | undefined, stream: PieceStream, text: string, isUnseen = false): void {
    const { patterns } = this.#rules
    const fresh = this.#add(stream, text)
    const { bytes } = stream
    this.#fragments.seeSeam(bytes, fresh)
    if (isUnseen) this.#fragments.see(bytes.subarray(fresh))
    stream.anchor(patterns.anchorsIn(bytes, Math.max(0, fresh - ANCHOR_BYTES)))
    const { anchors } = stream
    if (anchors === NO_ANCHORS) return
    const name = patterns.completedBy(bytes, fresh, { host: this.#context.host, anchors })
    if (name === undefined) return
    if (place === undefined) this.#hint ??= name
    else this.#found ??= `${name} (${printable(place)})`
  }

  #add(stream: PieceStream, text: string): number {
    const fresh = stream.append(text)
    this.#undo.push(() => stream.drop(text.length))
    return fresh
  }

  #number({ place, text }: Piece, number: number, { numbered }: PieceStream): void {
    const { patterns } = this.#rules
    if (text.length > LONGEST_NUMBERED) return
    const sorted = numbered.add(number, text)
    this.#undo.push(() => numbered.drop())
    if (sorted === undefined) return
    this.#fragments.see(sorted.all)
    if (!patterns.anchorsIn(sorted.all).isPlain) return
    const name = patterns.addedTo(sorted.others, sorted.all, this.#context.host)
    if (name !== undefined) this.#found ??= `${name} (${printable(place)})`
  }

  #stream(place: string): PieceStream {
    return this.#places.at(place, this.#now, this.#rules.settings.window_seconds * 1000)
  }
}

interface Evidence {
  readonly leak: Leak | undefined
  /** A kind of credential and its place. */
  readonly found: string | undefined
  readonly hint: string | undefined
}

function verdictOf({ leak, found, hint }: Evidence, action: SplitSettings['action'], seconds: number): Verdict {
  if (leak?.isMost === true)
    return { kind: action, reason: leakReason(leak, seconds), severity: 'critical', code: 'secret_literal' }
  if (found !== undefined) return { kind: action, reason: `secret detected in pieces: ${found}`, severity: 'critical' }
  if (leak !== undefined) return { kind: 'flag', reason: leakReason(leak, seconds), severity: 'warning' }
  if (hint === undefined) return PASS
  return { kind: 'flag', reason: `secret detected in pieces: ${hint} (several places)`, severity: 'warning' }
}

function leakReason({ name, share }: Leak, seconds: number): string {
  return `secret ${name} sent in pieces: ${Math.floor(share * 100)} % of it within ${seconds} s`
}

/** It came from the workload. */
function printable(text: string): string {
  return text.slice(0, 60).replace(/[^\x20-\x7e]/g, '?')
}
