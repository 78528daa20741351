import { asciiSet } from '../../simd/byte-set.ts'
import { passesFor } from '../../simd/passes.ts'

/** 1 for each byte that belongs. */
export type ByteClass = Uint8Array

/** The class of the bytes of `characters` (Latin-1). */
export function byteClass(characters: string): ByteClass {
  const members = new Uint8Array(256)
  for (const byte of Buffer.from(characters, 'latin1')) members[byte] = 1
  return members
}

const DIGITS = '0123456789'
const LOWER = 'abcdefghijklmnopqrstuvwxyz'
export const ALPHANUMERIC = `${DIGITS}${LOWER}${LOWER.toUpperCase()}`
export const HEX_DIGITS = `${DIGITS}abcdefABCDEF`

/** What most credentials are made of: the unreserved characters that base64url uses too. */
export const TOKEN_BYTES = byteClass(`${ALPHANUMERIC}-_`)

/** Printable ASCII and the white space of text. */
export const TEXT_BYTES = byteClass(
  `\t\n\r${Array.from({ length: 95 }, (_, offset) => String.fromCharCode(0x20 + offset)).join('')}`,
)

/**
 * Where the first run of at least `least` members begins, from `from` on, or -1. Looks at the byte where such a run
 * would end: where runs are short it reads one byte in `least`.
 */
export function nextRun(
  bytes: Buffer,
  members: ByteClass,
  { least, from }: { readonly least: number; readonly from: number },
): number {
  let start = from
  for (let last = start + least - 1; last < bytes.length; last = start + least - 1) {
    let at = last
    while (at >= start && members[bytes[at] as number] === 1) at -= 1
    if (at < start) return start
    start = at + 1
  }
  return -1
}

/** A run that goes on for so long is followed by SIMD. */
const LONG_RUN = 1024

/** Where the run that `start` is in ends: the first byte that is no member. */
export function endOfRun(bytes: Buffer, members: ByteClass, start: number): number {
  const near = Math.min(bytes.length, start + LONG_RUN)
  let at = start
  while (at < near && members[bytes[at] as number] === 1) at += 1
  return at === near && at < bytes.length ? endOfLongRun(bytes, members, at) : at
}

function endOfLongRun(bytes: Buffer, members: ByteClass, start: number): number {
  const passes = passesFor(bytes.length - start)
  // A set of bytes that are not ASCII would be a rough one.
  if (passes !== undefined && !members.includes(1, ASCII)) {
    const set = asciiSet(Array.from({ length: ASCII }, (_, byte) => byte).filter((byte) => members[byte] === 1))
    return start + passes.outside(bytes.subarray(start), set)
  }
  let at = start
  while (at < bytes.length && members[bytes[at] as number] === 1) at += 1
  return at
}

const ASCII = 0x80

/** The value of each hexadecimal digit; -1 for the rest. */
export const HEX_VALUE: Int8Array = Int8Array.from({ length: 256 }, (_, byte) => {
  const value = HEX_DIGITS.indexOf(String.fromCharCode(byte))
  return value < 16 ? value : value - 6
})

/** The byte that the two hexadecimal digits at `at` give; -1 when there are none. */
export function hexByteAt(bytes: Buffer, at: number): number {
  if (at + 1 >= bytes.length) return -1
  const high = HEX_VALUE[bytes[at] as number] as number
  const low = HEX_VALUE[bytes[at + 1] as number] as number
  return high === -1 || low === -1 ? -1 : high * 16 + low
}
