/**
 * Whether a request target lies within an allowed prefix, by whole segments: `/v1` covers `/v1`, `/v1/x` and `/v1?q`, not
 * `/v10`. A path that servers may read as another one (`/v1/../admin`, `/v1/%2e%2e/admin`, `/v1%2fx`, `//x`) is covered by
 * no prefix.
 */
export function isPathWithin(target: string, prefix: string): boolean {
  const path = pathOf(target)
  return !isAmbiguous(path) && startsWithin(path, prefix)
}

/**
 * Whether some server may read the target as a path within a forbidden prefix: escapes and the case of letters are no
 * difference, nor are dots and blanks at the end of a segment, and a path that can be read in several ways lies anywhere.
 */
export function mayPathLieWithin(target: string, prefix: string): boolean {
  const path = pathOf(target)
  return isAmbiguous(path) || startsWithin(folded(path), folded(prefix))
}

function startsWithin(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false
  const next = path[prefix.length]
  return prefix.endsWith('/') || next === undefined || next === '/'
}

function pathOf(target: string): string {
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}

/** Separators and path parameters beside `/`, and signs that are escaped though they structure a path. */
const ODD_STRUCTURE = /\\|\/\/|;|%(?:2[ef5]|5c|3b|7f|[01][0-9a-f]|(?![0-9a-f]{2}))/i

/** Segments of dots and escaped blanks alone; Windows drops both at the end of a name, so `.. ` is `..`. */
const DOTS = /\/(?:%20)*\.(?:\.|%20)*(?:\/|$)/

/** UTF-8 in more bytes than needed: lenient decoders take C0 AE for a dot (CVE-2008-2938). As Latin-1. */
const OVERLONG = /[\xc0\xc1]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]/

function isAmbiguous(path: string): boolean {
  if (ODD_STRUCTURE.test(path) || DOTS.test(path)) return true
  const bytes = unescaped(path)
  if (!/[\x80-\xff]/.test(bytes)) return false
  return OVERLONG.test(bytes) || gainsStructure(Buffer.from(bytes, 'latin1').toString())
}

/** Signs that compatibility forms and best-fit mappings turn into dots and slashes: U+FF0E, U+2024, U+2100, U+2215. */
function gainsStructure(text: string): boolean {
  return /[\u2044\u2215\u2216\u29f8]/.test(text) || structureOf(text.normalize('NFKC')) > structureOf(text)
}

function structureOf(text: string): number {
  return text.match(/[./\\;%]/g)?.length ?? 0
}

/** With escapes undone, once, as Latin-1. */
function unescaped(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (_escape, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
}

function folded(path: string): string {
  return unescaped(path).toLowerCase().split('/').map(withoutTail).join('/')
}

/** By a loop: a pattern that is anchored at the end takes quadratic time in a run of dots. */
function withoutTail(segment: string): string {
  let end = segment.length
  while (end > 0 && (segment[end - 1] === '.' || segment[end - 1] === ' ')) end -= 1
  return segment.slice(0, end)
}
