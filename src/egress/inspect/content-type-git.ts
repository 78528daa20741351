import { isUtf8 } from 'node:buffer'

/** Four hexadecimal digits of length, themselves counted; 0000 to 0002 stand alone (gitprotocol-common, "pkt-line"). */
const LENGTH_DIGITS = 4

/** A command, a want or a capability; push certificates come in lines too. */
const LONGEST_LINE = 4096

/**
 * Whether the bytes are a request of git's smart HTTP (gitprotocol-http): lines of text in pkt-line form, and after
 * them nothing or a pack of version 2 or 3. `head` is the start of a body of `size` bytes, and has to reach the pack.
 */
export function isGitRequest(head: Buffer, size: number): boolean {
  let at = 0
  while (at + LENGTH_DIGITS <= head.length) {
    const digits = head.toString('latin1', at, at + LENGTH_DIGITS)
    if (digits === 'PACK') return at > 0 && head.length >= at + 12 && [2, 3].includes(head.readUInt32BE(at + 4))
    if (!/^[0-9a-f]{4}$/.test(digits)) return false
    const length = Number.parseInt(digits, 16)
    if (length === 3 || length > LONGEST_LINE || at + length > head.length) return false
    if (length > LENGTH_DIGITS && !isLine(head.subarray(at + LENGTH_DIGITS, at + length))) return false
    at += Math.max(length, LENGTH_DIGITS)
  }
  return at > 0 && at === size
}

/** Text: no control characters but the NUL before capabilities, tabs and line ends. */
function isLine(bytes: Buffer): boolean {
  return isUtf8(bytes) && !/[\x01-\x08\x0b-\x1f\x7f]/.test(bytes.toString('latin1'))
}
