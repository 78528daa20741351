import type { Steps } from '../steps.ts'

const BEGIN = 'begin '
const LF = 0x0a
const CR = 0x0d

/** Lines of `uuencode`, from `begin 644 name` on (POSIX, uuencode). Undefined where there are none. */
export function* uuencodedBytes(bytes: Buffer): Steps<Buffer | undefined> {
  const found: Buffer[] = []
  for (let at = bytes.indexOf(BEGIN); at !== -1; at = bytes.indexOf(BEGIN, at)) {
    const line = bytes.indexOf(LF, at)
    if (line === -1) break
    let next = line + 1
    if (/^begin [0-7]{3,4} /.test(bytes.toString('latin1', at, Math.min(line, at + 12)))) {
      for (let end = next; end !== -1; end = lineInto(found, bytes, next)) next = end
    }
    yield next - at
    at = next
  }
  return found.length === 0 ? undefined : Buffer.concat(found)
}

/** Adds what the line at `start` holds; returns where the next begins, -1 where this is none. */
function lineInto(found: Buffer[], bytes: Buffer, start: number): number {
  const count = sixBits(bytes[start] ?? 0)
  const first = start + 1
  const end = first + Math.ceil(count / 3) * 4
  if (count < 1 || end > bytes.length) return -1
  const content = Buffer.alloc((end - first) * 0.75)
  for (let at = first, length = 0; at < end; at += 4) {
    let bits = 0
    for (let letter = at; letter < at + 4; letter += 1) {
      const value = sixBits(bytes[letter] as number)
      if (value === -1) return -1
      bits = (bits << 6) | value
    }
    length = content.writeUIntBE(bits, length, 3)
  }
  found.push(content.subarray(0, count))
  if (bytes[end] === LF) return end + 1
  return bytes[end] === CR && bytes[end + 1] === LF ? end + 2 : -1
}

/** A blank is zero, and so is a backquote; -1 for what is no letter. */
function sixBits(byte: number): number {
  return byte >= 0x20 && byte <= 0x60 ? (byte - 0x20) & 0x3f : -1
}
