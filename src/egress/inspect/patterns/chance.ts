import { tellingShare } from '../../secrets/telling.ts'
import { ALPHANUMERIC, byteClass } from '../decode/byte-class.ts'
import type { SecretPattern } from './pattern.ts'

/** A format that begins with more than this does not occur by chance. */
const LONGEST_PREFIX = 6

/** Base64 in either alphabet, wrapped or not. No credential is near as long. */
const RUN = byteClass(`${ALPHANUMERIC}+/=_-\r\n\\`)
const LONG_RUN = 2048
const NEIGHBOURHOOD = 256

/**
 * Whether a hit is likely to be there by chance: in the midst of a long run of base64, as images and archives are sent. A
 * megabyte of it holds `AIza` and 35 letters and digits once in 70 times, and the same picture is sent in every turn.
 */
export function isLikelyChance(
  { anchor }: Pick<SecretPattern, 'anchor'>,
  bytes: Buffer,
  { start, end }: { readonly start: number; readonly end: number },
): boolean {
  if (prefixLength(anchor, bytes, start) > LONGEST_PREFIX) return false
  let first = start
  while (first > 0 && start - first < LONG_RUN && RUN[bytes[first - 1] as number] === 1) first -= 1
  let last = end
  while (last < bytes.length && last - end < LONG_RUN && RUN[bytes[last] as number] === 1) last += 1
  if (start - first + last - end < LONG_RUN) return false
  const around = [
    bytes.subarray(Math.max(first, start - NEIGHBOURHOOD), start),
    bytes.subarray(end, Math.min(last, end + NEIGHBOURHOOD)),
  ]
  return around.every((side) => side.length < 8 || tellingShare(side) > 0.5)
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
