import type { Outcome } from './main.ts'

/** What the egress says of a request that it refused: `by` tells its answers from those of a server. */
export async function denialIn(response: Response): Promise<Outcome> {
  const text = await response.text()
  const { by, reason } = (text.startsWith('{') ? JSON.parse(text) : {}) as { by?: string; reason?: string }
  return { status: String(response.status), by: by ?? 'a server', reason: reason ?? '' }
}
