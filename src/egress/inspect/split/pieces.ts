import type { HeaderList } from '../../http/headers.ts'
import { ALPHANUMERIC, byteClass } from '../decode/byte-class.ts'
import type { HeadContext } from '../inspector.ts'

/** A small part of what is sent (Latin-1), and its place: the same in every request that is made alike. */
export interface Piece {
  readonly place: string
  readonly text: string
  /** What stands in the name of the place: 3 of `part3`. */
  readonly number?: number
}

export type TakePiece = (piece: Piece) => void

/** Longer ones are no pieces: what is in them is found where they stand. */
const LONGEST = 256
const MOST_PARTS = 48

/** In these is nothing that the workload chose, or the egress checks it. */
const NO_PLACE: ReadonlySet<string> = new Set(['host', 'content-length', ':authority', ':method', ':scheme', ':path'])

/** Segments of the path and values of the query. A number in a name is the number of a piece: `p1`, `p2` are one place. */
export function targetPieces(path: string, take: TakePiece): void {
  const mark = path.indexOf('?')
  const segments = (mark === -1 ? path : path.slice(0, mark)).split('/', MOST_PARTS)
  for (const [position, segment] of segments.entries()) taken(`path ${position}`, unescaped(segment), take)
  if (mark === -1) return
  for (const parameter of path.slice(mark + 1).split('&', MOST_PARTS)) {
    const equals = parameter.indexOf('=')
    const name = equals === -1 ? '' : parameter.slice(0, equals).slice(0, 64)
    named('query', name, unescaped(parameter.slice(equals + 1).replaceAll('+', ' ')), take)
  }
}

/** Values of fields; `before` are those of the request before, of which the same fields say nothing new. */
export function headerPieces(headers: HeaderList, before: HeaderList, take: TakePiece): void {
  const last = Math.min(headers.length, 4 * MOST_PARTS)
  for (let index = 1; index < last; index += 2) {
    const name = headers[index - 1] as string
    const value = headers[index] as string
    if (value === before[index] && name === before[index - 1]) continue
    const lower = name.toLowerCase()
    if (NO_PLACE.has(lower)) continue
    if (/^[^\s,;]*$/.test(value)) named('header', lower.slice(0, 64), value, take)
    else tokenPieces(`header ${lower.slice(0, 64)}`, value, take)
  }
}

/** The labels of a host, from the right. */
export function hostPieces(host: HeadContext['host'], zone: string, take: TakePiece): void {
  if (host.length <= zone.length) return
  const labels = host.slice(0, host.length - zone.length - 1).split('.')
  for (const [position, label] of labels.toReversed().entries()) taken(`label ${position}`, label, take)
}

const WORD = byteClass(`${ALPHANUMERIC}_-+/.~%$@`)

/** The words of a small body or message, by their position. Text of many words is no carrier of pieces. */
export function tokenPieces(place: string, text: string, take: TakePiece): void {
  if (text.length > 1024 || hasManyWords(text)) return
  const tokens: string[] = []
  const token = /[A-Za-z0-9_\-+/.~%$@]+/g
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    if (tokens.length === MOST_PARTS) return
    tokens.push(match[0])
  }
  for (const [position, word] of tokens.entries()) taken(`${place} ${position}`, unescaped(word), take)
}

/** Whether there are more words than are looked at: quicker told than taken. */
function hasManyWords(text: string): boolean {
  let words = 0
  let isInWord = false
  for (let at = 0; at < text.length; at += 1) {
    const isPart = WORD[text.charCodeAt(at)] === 1
    if (isPart && !isInWord) words += 1
    isInWord = isPart
  }
  return words > MOST_PARTS
}

/** The text in a piece of base64 or hexadecimal, or undefined when there is none. */
export function decodedPiece(text: string): string | undefined {
  if (text.length < 4 || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return undefined
  const coding = text.length % 2 === 0 && /^[0-9a-f]+$/i.test(text) ? 'hex' : 'base64'
  const decoded = Buffer.from(text, coding).toString('latin1')
  return /^[\x20-\x7e]+$/.test(decoded) ? decoded : undefined
}

function named(kind: string, name: string, text: string, take: (piece: Piece) => void): void {
  const digits = /\d{1,4}/.exec(name)
  if (digits === null) taken(`${kind} ${name}`, text, take)
  else if (text !== '' && text.length <= LONGEST)
    take({ place: `${kind} ${name.replace(/\d+/g, '#')}`, text, number: Number(digits[0]) })
}

function taken(place: string, text: string, take: TakePiece): void {
  if (text !== '' && text.length <= LONGEST) take({ place, text })
}

function unescaped(text: string): string {
  return text.includes('%')
    ? text.replace(/%([0-9a-f]{2})/gi, (_escape, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
    : text
}
