import { LRUCache } from 'lru-cache'
import type { HeaderList } from '../../http/headers.ts'
import { View } from './view.ts'

/** What a request says besides its body. */
export interface Head {
  readonly host?: string | undefined
  /** Path and query. */
  readonly path?: string | undefined
  readonly headers?: HeaderList | undefined
}

/** A program sends the same fields again and again, to a few paths of a few hosts at a time. */
const HEADS = 64
/** Bytes of longer ones are not kept: it would cost memory, and is not what programs send. */
const LONGEST = 8192

interface KnownHead {
  readonly headers: HeaderList
  readonly views: readonly View[]
}

/** The views of the latest heads, so that what was found out about them is known when they come again. */
export class KnownHeads {
  /** By host and path. */
  readonly #heads = new LRUCache<string, KnownHead>({ max: HEADS })

  viewsOf(host: string, path: string, headers: HeaderList): readonly View[] {
    const key = `${host} ${path}`
    const known = this.#heads.get(key)
    if (known !== undefined && isSame(known.headers, headers)) return known.views
    const views = headViews({ host, path, headers })
    if (views.reduce((sum, { bytes }) => sum + bytes.length, 0) <= LONGEST) {
      for (const view of views) view.keep()
      this.#heads.set(key, { headers, views })
    }
    return views
  }
}

/** Whether both give the same text. */
function isSame(ones: HeaderList, others: HeaderList): boolean {
  if (ones.length !== others.length) return false
  for (let index = 0; index < ones.length; index += 2) {
    const name = ones[index] as string
    const value = ones[index + 1] as string
    const other = others[index + 1] as string
    if (name !== others[index] || (value !== other && !(isLength(name, value) && isLength(name, other)))) return false
  }
  return true
}

/** URL, host and header fields as they were sent. */
export function headViews({ host, path, headers }: Head): readonly View[] {
  const views: View[] = []
  if (path !== undefined) views.push(new View('url', Buffer.from(path, 'latin1')))
  if (host !== undefined) {
    views.push(new View('host', Buffer.from(host, 'latin1')))
    // A label holds 63 characters: longer data goes over several.
    if (host.length > 40)
      views.push(new View('host', Buffer.from(host.replaceAll('.', ''), 'latin1'), { encodings: ['labels'], depth: 0 }))
  }
  if (headers !== undefined) views.push(new View('headers', Buffer.from(headerText(headers), 'latin1')))
  return views
}

/** Names and values with NUL between them, but for lengths: those are of the body, and differ where nothing else does. */
function headerText(headers: HeaderList): string {
  return headers
    .filter(
      (text, index) => !isLength(index % 2 === 0 ? text : (headers[index - 1] as string), headers[index | 1] ?? ''),
    )
    .join('\0')
}

function isLength(name: string, value: string): boolean {
  return name.length === 14 && name.toLowerCase() === 'content-length' && /^\d{1,15}$/.test(value)
}
