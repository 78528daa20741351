import { byteClass, type ByteClass } from './byte-class.ts'

const BACKSLASH = 0x5c
const ESCAPED = byteClass('nrt')
const RAW = byteClass('\r\n')
const NONE = byteClass('')

/** Letters that are wrapped, without the line ends: as such, or escaped (`\r\n`) as in a string of JSON. */
export function withoutLineEnds(letters: Buffer): Buffer {
  const isWrapped = letters.includes('\n') || letters.includes('\r') || letters.includes(BACKSLASH)
  return isWrapped ? without(letters, RAW) : letters
}

/** The same, where line ends as such may stay. */
export function withoutEscapedEnds(letters: Buffer): Buffer {
  return letters.includes(BACKSLASH) ? without(letters, NONE) : letters
}

/** By bytes: a pattern that is replaced at each of millions of backslashes would take a second. */
function without(letters: Buffer, raw: ByteClass): Buffer {
  const kept = Buffer.allocUnsafe(letters.length)
  let length = 0
  for (let at = 0; at < letters.length; at += 1) {
    const byte = letters[at] as number
    if (byte === BACKSLASH) at += ESCAPED[letters[at + 1] as number] === 1 ? 1 : 0
    else if (raw[byte] === 0) kept[length++] = byte
  }
  return kept.subarray(0, length)
}
