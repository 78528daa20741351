/** Controls, format characters (bidirectional overrides, zero width), line separators, lone surrogates, private use. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu

/**
 * `text` as it may be shown on a terminal: on one line, and without anything that a terminal would act on. Host names,
 * paths and reasons come from the workload, and an escape sequence in them could rewrite the screen or the clipboard.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escapeCharacter)
}

function escapeCharacter(character: string): string {
  const point = character.codePointAt(0) ?? 0
  const hex = point.toString(16)
  if (point <= 0xff) return `\\x${hex.padStart(2, '0')}`
  return point <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\u{${hex}}`
}
