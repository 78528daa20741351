/**
 * A set of bytes for a pass: for the lower and for the upper half of a byte a table each; the byte is in the set where the
 * two have a bit in common.
 */
export type ByteSet = Uint8Array

/** Throws a RangeError for what is not ASCII: eight bits have no more room. */
export function asciiSet(members: Iterable<number>): ByteSet {
  const set = new Uint8Array(32)
  for (const byte of members) {
    if (byte >= 0x80) throw new RangeError('not ASCII')
    set[byte & 15]! |= 1 << (byte >> 4)
    set[16 + (byte >> 4)] = 1 << (byte >> 4)
  }
  return set
}

/** With all members, and where some are not ASCII, with a few bytes more. */
export function roughSet(members: Iterable<number>): ByteSet {
  const all = [...members]
  const set = asciiSet(all.filter((byte) => byte < 0x80))
  for (const byte of all.filter((other) => other >= 0x80)) {
    set[byte & 15]! |= 0x80
    set[16 + (byte >> 4)] = 0x80
  }
  return set
}
