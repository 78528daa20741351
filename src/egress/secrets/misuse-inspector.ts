import type { ContentViews } from '../inspect/decode/content-views.ts'
import { viewsOfMessage, viewsOfRequest } from '../inspect/decode/context-views.ts'
import type { Decoding } from '../inspect/decode/limits.ts'
import { PASS, type InspectionContext, type Inspector, type Verdict } from '../inspect/inspector.ts'
import { readingsOf, type Reading } from '../inspect/readings.ts'
import type { Steps } from '../inspect/steps.ts'
import { paced, PACED_TIME_LIMIT } from '../inspect/pace.ts'
import { undecodedVerdict } from '../inspect/undecoded.ts'
import type { SecretSet } from './secret-set.ts'

/**
 * What: placeholders and real values on their way to where they may not go, in the URL, the host, header fields, the body
 * and messages, as sent and with every layer of encoding undone; and content with more in it than can be undone.
 */
export function misuseInspector(secrets: SecretSet, decoding: Decoding): Inspector {
  const { limits } = decoding
  const judged = (context: InspectionContext, views: ContentViews): Verdict | Promise<Verdict> =>
    paced(judge(secrets, decoding, { context, views }))
  return {
    name: 'secret-injector',
    timeLimit: PACED_TIME_LIMIT,
    inspectRequest: (context) => judged(context, context.views ?? viewsOfRequest(context, limits)),
    inspectMessage: (context) =>
      context.direction === 'outbound' ? judged(context, context.views ?? viewsOfMessage(context, limits)) : PASS,
  }
}

function* judge(secrets: SecretSet, decoding: Decoding, { context, views }: Omit<Asked, 'reading'>): Steps<Verdict> {
  // Messages of a WebSocket have a method of their own; it was opened by a GET.
  const method = context.protocol === 'websocket' ? 'GET' : context.method
  // Where there are none, the domain policy has blocked.
  for (const reading of readingsOf({ method, path: context.path, headers: context.headers }) ?? []) {
    const verdict = yield* judgeReading(secrets, { context, reading, views })
    if (verdict.kind !== 'pass') return verdict
  }
  // Where nothing was searched for, all that is kept may go there, and no view was taken.
  return undecodedVerdict(views, decoding, context.priorResults)
}

interface Asked {
  readonly context: InspectionContext
  readonly reading: Reading
  readonly views: ContentViews
}

function* judgeReading(secrets: SecretSet, { context, reading, views }: Asked): Steps<Verdict> {
  const { host, port, url, headers } = context
  const search = secrets.misuse({
    authority: { host, port },
    scheme: url.startsWith('https:') ? 'https' : 'http',
    ...reading,
  })
  if (search === undefined) return PASS
  for (const value of headers) {
    const misuse = search.inCredentials(value)
    if (misuse !== undefined) return blocked(misuse)
  }
  for (const view of views.paced()) {
    if (typeof view === 'number') {
      yield view
      continue
    }
    const misuse = yield* search.inView(view)
    if (misuse !== undefined) return blocked(misuse)
  }
  return PASS
}

function blocked({ kind, reason }: { readonly kind: 'placeholder' | 'value'; readonly reason: string }): Verdict {
  const code = kind === 'placeholder' ? 'placeholder_misdirected' : 'secret_literal'
  return { kind: 'block', reason, severity: 'critical', code }
}
