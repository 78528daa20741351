import { base64Hit, isBase64Letter } from './base64-hit.ts'
import { canonicalForm, CanonicalWalk, type Canonical } from './canonical.ts'
import { encode } from './dialect.ts'
import { reversed } from './forms.ts'
import type { LooseTarget, Redaction, Replacement } from './redaction.ts'

/** A range of bytes that has to be replaced. */
export interface Hit extends Replacement {
  readonly start: number
  readonly end: number
}

export interface LooseHits {
  /** By start. */
  readonly hits: readonly Hit[]
  /** From here on more bytes may change what is found; at the beginning of a unit. */
  readonly limit: number
  /** Where the unit begins that `offset` lies in, for offsets near the end. */
  readonly floor: (offset: number) => number
}

/** Bytes of a text before its end that are walked for every chunk, besides the longest needle. */
const MARGIN = 256

/** Separators and escapes make a value longer, but not without end. */
const MOST_PER_BYTE = 12

/**
 * Values in any form in one piece of a stream: escaped, cut into pieces, in base64, in hexadecimal, backwards. The
 * answer for what lies before `limit` is the same however the stream was cut.
 */
export function looseHits(redaction: Redaction, bytes: Buffer, isLast: boolean): LooseHits {
  const { loose, targets, exact, leading, leastBeforeLineEnd: least } = redaction
  const tail = Math.max(loose.longest, exact.longest) + MARGIN
  const canonical = canonicalForm(bytes, { isLast, tail }, redaction.desk.for(bytes.length))
  let limit = isLast ? bytes.length : unfinishedFrom({ loose, least, bytes, canonical })
  const hits: Hit[] = []
  const walk = new CanonicalWalk(bytes, isLast)
  let settled = 0
  for (let at = loose.indexOf(canonical.bytes); at !== -1; at = loose.indexOf(canonical.bytes, at + 1)) {
    const found = loose.longestAt(canonical.bytes, at)
    const length = loose.needles[found]?.length ?? 0
    const { start } = walk.unitOf(at)
    const { end } = walk.fork().unitOf(at + length - 1)
    if (end - start > length * MOST_PER_BYTE || isBroken(bytes, { start, least, isLast })) continue
    const hit = hitFor(targets[found] as LooseTarget, { bytes, start, end, settled, isLast })
    if (hit === undefined) {
      limit = Math.min(limit, start)
      break
    }
    hits.push(hit)
    settled = hit.end
  }
  const floor = (offset: number): number => floorOf(bytes, canonical, { offset, isLast })
  return { hits, limit: isLast ? limit : withLeadingLetters(bytes, limit, { leading, floor }), floor }
}

interface Range {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  /** Where the hit before ended. */
  readonly settled: number
  readonly isLast: boolean
}

/** Undefined when what follows has to be known first. */
function hitFor({ name, placeholder, value, written }: LooseTarget, range: Range): Hit | undefined {
  const { bytes, start, end } = range
  const { form, isReversed } = written
  const turn = (text: string): string => (isReversed ? reversed(text) : text)
  switch (form.kind) {
    case 'plain':
      return { name, start, end, bytes: escapedLike(bytes.subarray(start, end), turn(placeholder)) }
    case 'hex': {
      const hex = Buffer.from(placeholder).toString('hex')
      return { name, start, end, bytes: Buffer.from(turn(form.isUpper ? hex.toUpperCase() : hex)) }
    }
    case 'base64-twice':
      return { name, start, end, bytes: Buffer.from(twiceEncoded(placeholder, written.text.length)) }
    case 'base64': {
      if (isReversed)
        return { name, start, end, bytes: Buffer.from(turn(Buffer.from(placeholder).toString('base64url'))) }
      const replaced = base64Hit({ ...range, alignment: form.alignment, core: written.text, value, placeholder })
      return replaced && { name, ...replaced }
    }
  }
}

/** As many letters as `length`, or whole groups of four more or fewer, so that what follows keeps its place in its group. */
function twiceEncoded(placeholder: string, length: number): string {
  const whole = placeholder.padEnd(Math.ceil(Buffer.byteLength(placeholder) / 9) * 9)
  return Buffer.from(Buffer.from(whole).toString('base64')).toString('base64') + 'A'.repeat(length % 4)
}

/** The placeholder in the escapes in which the value stood. */
function escapedLike(stood: Buffer, placeholder: string): Buffer {
  const text = stood.toString('latin1')
  if (/%(?:u[0-9a-f]{2})?[0-9a-f]{2}/i.test(text)) return encode(placeholder, 'percent')
  if (text.includes('\\')) return encode(placeholder, 'json')
  if (/&#?\w+;/.test(text))
    return Buffer.from(placeholder.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`))
  return Buffer.from(placeholder)
}

/** Whether there is a line end among the first characters from `start`, so that they are no beginning of a value. */
function isBroken(
  bytes: Buffer,
  { start, least, isLast }: { readonly start: number; readonly least: number; readonly isLast: boolean },
): boolean {
  return new CanonicalWalk(bytes, isLast, { source: start, canonical: 0 }).endsLineWithin(least)
}

/** The first place from which all of the rest may be the beginning of a value. */
function unfinishedFrom({
  loose,
  least,
  bytes,
  canonical,
}: Pick<Redaction, 'loose'> & {
  readonly least: number
  readonly bytes: Buffer
  readonly canonical: Canonical
}): number {
  const { checkpoint } = canonical
  const length = canonical.bytes.length
  let walk = new CanonicalWalk(bytes, false, checkpoint)
  for (
    let at = loose.unfinishedFrom(canonical.bytes);
    at < length;
    at = loose.unfinishedFrom(canonical.bytes, at + 1)
  ) {
    // Escapes and separators may make the end longer than what was thought of.
    if (at < checkpoint.canonical) walk = new CanonicalWalk(bytes, false)
    const { start } = walk.unitOf(at)
    const isTooLong = bytes.length - start > loose.longest * MOST_PER_BYTE
    if (!isTooLong && !isBroken(bytes, { start, least, isLast: false })) return Math.min(start, canonical.end)
    if (at < checkpoint.canonical) walk = new CanonicalWalk(bytes, false, checkpoint)
  }
  return canonical.end
}

function floorOf(
  bytes: Buffer,
  { checkpoint }: Canonical,
  { offset, isLast }: { readonly offset: number; readonly isLast: boolean },
): number {
  const from = offset < checkpoint.source ? { source: 0, canonical: 0 } : checkpoint
  return new CanonicalWalk(bytes, isLast, from).boundaryAt(offset)
}

/** Letters of base64 directly before a value may hold its first bits. */
function withLeadingLetters(
  bytes: Buffer,
  limit: number,
  { leading, floor }: { readonly leading: number; readonly floor: LooseHits['floor'] },
): number {
  let start = limit
  while (limit - start < leading && start > 0 && isBase64Letter(bytes[start - 1] as number)) start -= 1
  return start === limit ? limit : floor(start)
}
