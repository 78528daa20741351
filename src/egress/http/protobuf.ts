/** Messages in messages; deeper ones are taken for text. */
const MOST_DEPTH = 16

const LENGTH_DELIMITED = 2

/**
 * The message with `rewrite` done to each text in it, and lengths that are true again (Protocol Buffers, "Encoding").
 * What is not in this format, or holds what `rewrite` changes across its fields, is rewritten as a whole. `rewrite` returns
 * its argument when there is nothing to change.
 */
export function rewriteProtobuf(message: Buffer, rewrite: (bytes: Buffer) => Buffer, depth = 0): Buffer {
  const whole = rewrite(message)
  if (whole === message || depth === MOST_DEPTH) return whole
  const fields = fieldsOf(message)
  if (fields === undefined) return whole
  const parts = fields.flatMap(({ head, content, length }) => {
    if (length === undefined) return [message.subarray(head, content.end)]
    const text = rewriteProtobuf(message.subarray(content.start, content.end), rewrite, depth + 1)
    return [message.subarray(head, length), varint(text.length), text]
  })
  const rewritten = Buffer.concat(parts)
  return rewrite(rewritten) === rewritten ? rewritten : whole
}

interface Field {
  /** Where its tag begins. */
  readonly head: number
  /** Where its length begins, if it has one. */
  readonly length: number | undefined
  readonly content: { readonly start: number; readonly end: number }
}

/** Undefined when the bytes are no message. */
function fieldsOf(message: Buffer): readonly Field[] | undefined {
  const fields: Field[] = []
  for (let head = 0; head < message.length;) {
    const tag = readVarint(message, head)
    if (tag === undefined || tag.value < 8) return undefined
    const field = fieldAt(message, { head, tag })
    if (field === undefined || field.content.end > message.length) return undefined
    fields.push(field)
    head = field.content.end
  }
  return fields
}

function fieldAt(
  message: Buffer,
  { head, tag }: { readonly head: number; readonly tag: { readonly value: number; readonly end: number } },
): Field | undefined {
  const fixed = (size: number): Field => ({ head, length: undefined, content: { start: tag.end, end: tag.end + size } })
  switch (tag.value % 8) {
    case 0: {
      const number = readVarint(message, tag.end)
      return number && fixed(number.end - tag.end)
    }
    case 1:
      return fixed(8)
    case LENGTH_DELIMITED: {
      const length = readVarint(message, tag.end)
      return length && { head, length: tag.end, content: { start: length.end, end: length.end + length.value } }
    }
    case 5:
      return fixed(4)
    default:
      return undefined
  }
}

/** Undefined past the end, and for numbers of more than ten bytes. Exact up to 2^53. */
function readVarint(bytes: Buffer, start: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0
  for (let at = start; at < start + 10 && at < bytes.length; at += 1) {
    const byte = bytes[at] as number
    value += (byte & 0x7f) * 2 ** (7 * (at - start))
    if (byte < 0x80) return { value, end: at + 1 }
  }
  return undefined
}

function varint(number: number): Buffer {
  const bytes: number[] = []
  let rest = number
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  return Buffer.from([...bytes, rest])
}
