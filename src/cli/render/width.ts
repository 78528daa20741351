const ASCII = /^[ -~]*$/
/** Marks that stand on the character before. */
const ZERO = /^\p{M}$/u
/** What takes two columns: East Asian wide and full-width blocks (UAX #11), emoji that are pictures by themselves. */
const DOUBLE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}\p{Emoji_Presentation}]$/u

/** How many columns of a terminal `text` takes. It must be printable. */
export function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length
  let width = 0
  for (const character of text) width += characterWidth(character)
  return width
}

/** The beginning of `text` that takes no more than `columns`, whole characters only. */
export function takeColumns(text: string, columns: number): string {
  if (ASCII.test(text)) return text.slice(0, Math.max(0, columns))
  let taken = ''
  let width = 0
  for (const character of text) {
    width += characterWidth(character)
    if (width > columns) break
    taken += character
  }
  return taken
}

function characterWidth(character: string): 0 | 1 | 2 {
  if (ZERO.test(character)) return 0
  return DOUBLE.test(character) ? 2 : 1
}
