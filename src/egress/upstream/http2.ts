import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2'
import { TLSSocket } from 'node:tls'
import { LRUCache } from 'lru-cache'
import { formatAuthority } from '../../policy/host.ts'
import { Denial } from '../denial.ts'
import { withoutHeaders, type HeaderList } from '../http/headers.ts'
import { constants } from '../http/http2-codes.ts'
import { dial, type DialOptions, type Origin } from './dial.ts'
import type { UpstreamRequest, UpstreamResponse } from './upstream.ts'

export interface SessionLimits {
  /** The longest wait for a stream where the upstream allows no more at once: those in use may be so for hours. */
  readonly queueMilliseconds: number
  /** The longest wait for the head of a response, from the call on. */
  readonly headMilliseconds: number
}

const LIMITS: SessionLimits = { queueMilliseconds: 60_000, headMilliseconds: 15 * 60_000 }

const IDLE_SESSION_MS = 60_000

/** How long a session may take to answer a ping. */
const PING_MS = 15_000

/** How long an origin that chose HTTP/1.1 is not asked again. */
const HTTP1_ONLY_MS = 5 * 60_000

/** A stream whose request body may still be written while the response arrives. */
export interface Http2Call {
  readonly stream: ClientHttp2Stream
  /** Rejects with a Denial. */
  readonly response: Promise<UpstreamResponse>
  /** Ends both at once, whether or not the upstream takes what it is told. */
  readonly cancel: () => void
}

/** A session on its way, and once it is there. */
interface Slot {
  readonly opening: Promise<ClientHttp2Session | undefined>
  session?: ClientHttp2Session | undefined
}

/** HTTP/2 sessions, one an origin. */
export class Http2Sessions {
  readonly #options: DialOptions
  readonly #limits: SessionLimits
  readonly #sessions = new Map<string, Slot>()
  /** Those that were asked whether they are alive. */
  readonly #doubted = new WeakSet<ClientHttp2Session>()
  readonly #http1Only = new LRUCache<string, true>({ max: 1000, ttl: HTTP1_ONLY_MS })

  constructor(options: DialOptions, limits: Partial<SessionLimits> = {}) {
    this.#options = options
    this.#limits = { ...LIMITS, ...limits }
  }

  /**
   * A session with the origin, or undefined when it speaks HTTP/1.1 only (plain HTTP always: there is no ALPN).
   * Rejects with a Denial when there is no connection.
   */
  session(origin: Origin): Promise<ClientHttp2Session | undefined> {
    if (origin.scheme === 'http') return Promise.resolve(undefined)
    const key = formatAuthority(origin.authority)
    if (this.#http1Only.has(key)) return Promise.resolve(undefined)
    const known = this.#sessions.get(key)
    if (known !== undefined && isOpen(known.session)) return known.opening
    const opening = this.#connect(origin, key)
    const slot: Slot = { opening }
    this.#sessions.set(key, slot)
    const forget = (): void => void (this.#sessions.get(key) === slot && this.#sessions.delete(key))
    opening.then((session) => {
      slot.session = session
      if (session === undefined) forget()
      else session.once('close', forget).once('goaway', forget)
    }, forget)
    return opening
  }

  /** Opens a stream. The body is the caller's to write and end. */
  open(session: ClientHttp2Session, request: Omit<UpstreamRequest, 'body'>): Http2Call {
    const { origin, method, path, headers } = request
    const pseudo = [':method', method, ':scheme', origin.scheme, ':authority', authorityField(origin), ':path', path]
    const stream = openStream(session, [...pseudo, ...headers], origin)
    const response = responseOf(stream, session, { origin, limits: this.#limits })
    response.catch(() => {}) // Cancelled before anybody waits for it, it must not count as unhandled.
    const cancel = (): void => {
      if (stream.destroyed) return
      stream.close(constants.NGHTTP2_CANCEL)
      // It is closed only once the reset was written, which an upstream that reads nothing can put off for ever.
      stream.destroy()
      this.#doubt(session)
    }
    return { stream, response, cancel }
  }

  close(): void {
    for (const { opening } of this.#sessions.values()) {
      opening.then(
        (session) => session?.close(),
        () => {},
      )
    }
    this.#sessions.clear()
  }

  /** A session with a peer that reads nothing would hold every further call: one that answers no ping ends. */
  #doubt(session: ClientHttp2Session): void {
    if (this.#doubted.has(session) || session.destroyed || session.closed) return
    this.#doubted.add(session)
    const timer = setTimeout(() => session.destroy(), PING_MS).unref()
    const settle = (): void => {
      clearTimeout(timer)
      this.#doubted.delete(session)
    }
    session.once('close', settle)
    session.ping(() => {
      session.off('close', settle)
      settle()
    })
  }

  async #connect(origin: Origin, key: string): Promise<ClientHttp2Session | undefined> {
    const socket = await dial(origin, ['h2', 'http/1.1'], this.#options)
    if (!(socket instanceof TLSSocket) || socket.alpnProtocol !== 'h2') {
      socket.destroy()
      this.#http1Only.set(key, true)
      return undefined
    }
    const options = {
      createConnection: () => socket,
      settings: { enablePush: false, maxHeaderListSize: 65_536 },
      maxHeaderListPairs: 1000,
      strictSingleValueFields: false, // Duplicates are the workload's to send and the upstream's to judge.
    }
    // Loaded when a client of the cage has chosen it.
    const { connect } = process.getBuiltinModule('node:http2')
    const session = connect(`https://${key}`, options)
    session.on('error', () => session.destroy())
    session.setTimeout(IDLE_SESSION_MS, () => session.close())
    return session
  }
}

/** A session that is on its way counts as open. */
function isOpen(session: ClientHttp2Session | undefined): boolean {
  return session === undefined || !(session.closed || session.destroyed)
}

/** Throws a Denial when the session ended a moment ago. */
function openStream(session: ClientHttp2Session, headers: HeaderList, origin: Origin): ClientHttp2Stream {
  try {
    return session.request(headers, { endStream: false })
  } catch (error) {
    if (isOpen(session)) throw error
    throw new Denial('upstream_unreachable', `the connection to ${formatAuthority(origin.authority)} has ended`, {
      cause: error,
    })
  }
}

function authorityField({ scheme, authority }: Origin): string {
  const text = formatAuthority(authority)
  return authority.port === (scheme === 'https' ? 443 : 80) ? text.slice(0, text.lastIndexOf(':')) : text
}

interface Terms {
  readonly origin: Origin
  readonly limits: SessionLimits
}

function responseOf(
  stream: ClientHttp2Stream,
  session: ClientHttp2Session,
  { origin, limits }: Terms,
): Promise<UpstreamResponse> {
  let trailers: HeaderList = []
  stream.on('trailers', (_headers: IncomingHttpHeaders, _flags: number, raw: readonly string[]) => {
    trailers = raw
  })
  const name = formatAuthority(origin.authority)
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => fail('upstream_timeout', 'no response in time'), limits.headMilliseconds)
    const queued = setTimeout(() => setImmediate(refuseQueued), limits.queueMilliseconds)
    // An immediate: heads that only wait for this turn of the event loop are written before it.
    function refuseQueued(): void {
      if (waitsForOthers(stream))
        fail('upstream_timeout', `${name} takes no more requests at once, and none ended in time`)
    }
    function settle(): void {
      clearTimeout(late)
      clearTimeout(queued)
    }
    function fail(code: 'upstream_timeout' | 'upstream_unreachable', reason: string, cause?: Error): void {
      settle()
      stream.close(constants.NGHTTP2_CANCEL)
      reject(new Denial(code, reason, { cause }))
    }
    stream.once(
      'response',
      (headers: IncomingHttpHeaders & IncomingHttpStatusHeader, _flags: number, raw: readonly string[]) => {
        settle()
        resolve({
          status: headers[':status'] ?? 0,
          reason: '',
          headers: withoutHeaders(raw, (field) => field.startsWith(':')),
          body: stream,
          trailers() {
            // Node ends the body of a stream that was reset in the same way as one that is whole.
            if (stream.rstCode !== constants.NGHTTP2_NO_ERROR)
              throw new Denial('upstream_aborted', 'the upstream ended the response early')
            return trailers
          },
          address: session.destroyed ? '' : (session.socket.remoteAddress ?? ''),
        })
      },
    )
    stream.on('error', (error: Error) =>
      fail('upstream_unreachable', `the stream to ${name} broke before a response`, error),
    )
    stream.once('close', () => fail('upstream_unreachable', `the stream to ${name} closed before a response`))
  })
}

/** Its head has not left: as many streams are open as the upstream allows (RFC 9113 section 5.1.2). */
function waitsForOthers(stream: ClientHttp2Stream): boolean {
  return stream.state.state === constants.NGHTTP2_STREAM_STATE_IDLE
}
