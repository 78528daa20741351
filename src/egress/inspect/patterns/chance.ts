import { tellingShare } from '../../secrets/telling.ts'
import { ALPHANUMERIC, byteClass, TOKEN_BYTES, type ByteClass } from '../decode/byte-class.ts'
import type { SecretPattern } from './pattern.ts'

/** A format that begins with more than this does not occur by chance. */
const LONGEST_PREFIX = 6

/** Base64 in either alphabet, wrapped or not. No credential is near as long. */
const RUN = byteClass(`${ALPHANUMERIC}+/=_-\r\n\\`)
const LONG_RUN = 2048
const NEIGHBOURHOOD = 256

/** Random characters right before a hit, in one word with it: it begins in the midst of a signature or an identifier. */
const GLUED = 8
/** So much more of that word than the hit. */
const LONG_WORD = 64

interface Place {
  readonly start: number
  readonly end: number
}

/**
 * Whether a hit is likely to be there by chance: in the midst of a long run of base64, as images and archives are sent, or
 * of one random word, as the signatures in URLs are. A megabyte of base64 holds `AIza` and 35 letters and digits once in 70
 * times, and the same picture is sent in every turn; one of 12 000 signatures of 256 bytes holds what some format is.
 */
export function isLikelyChance(
  { anchor, isProven }: Pick<SecretPattern, 'anchor' | 'isProven'>,
  bytes: Buffer,
  hit: Place,
): boolean {
  if (prefixLength(anchor, bytes, hit.start) > LONGEST_PREFIX) return false
  if (isProven?.(bytes.toString('latin1', hit.start, hit.end)) === true) return false
  const run = around(bytes, hit, RUN)
  if (run.length >= LONG_RUN) return run.sides.every(isRandom)
  const word = around(bytes, hit, TOKEN_BYTES)
  const [before] = word.sides
  return word.length >= LONG_WORD && before.length >= GLUED && word.sides.every(isRandom)
}

/** What stands beside the hit in one run of these bytes: how much in all, and the nearest of both sides. */
function around(
  bytes: Buffer,
  { start, end }: Place,
  members: ByteClass,
): { readonly length: number; readonly sides: readonly [Buffer, Buffer] } {
  let first = start
  while (first > 0 && start - first < LONG_RUN && members[bytes[first - 1] as number] === 1) first -= 1
  let last = end
  while (last < bytes.length && last - end < LONG_RUN && members[bytes[last] as number] === 1) last += 1
  return {
    length: start - first + last - end,
    sides: [
      bytes.subarray(Math.max(first, start - NEIGHBOURHOOD), start),
      bytes.subarray(end, Math.min(last, end + NEIGHBOURHOOD)),
    ],
  }
}

function isRandom(side: Buffer): boolean {
  return side.length < 8 || tellingShare(side) > 0.5
}

/** Of the longest literal that the hit begins with. */
function prefixLength(anchor: SecretPattern['anchor'], bytes: Buffer, start: number): number {
  if (anchor.kind === 'inner') return Infinity
  if (anchor.kind === 'run') return anchor.begins?.length ?? Infinity
  const lengths = anchor.literals.map((literal) =>
    bytes.toString('latin1', start, start + literal.length) === literal ? literal.length : 0,
  )
  return Math.max(...lengths)
}
