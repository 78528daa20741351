const PLAIN = /^[ !#-[\]-~]*$/

/**
 * What JSON lets through and a terminal or a text tool would act on: DEL and the C1 controls (U+009B starts an escape
 * sequence), format characters (bidirectional overrides, zero width, tags), line and paragraph separators.
 */
const UNSAFE = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu

/** Whether a text stands for itself between the quotes of a JSON string, and is safe to print. */
export function isPlainText(text: string): boolean {
  return PLAIN.test(text)
}

/** `text` as a JSON string of at most `limit` code units, safe to print. Its contents are the workload's: hostile. */
export function quote(text: string, limit: number): string {
  const kept = text.length <= limit ? text : truncate(text, limit)
  return PLAIN.test(kept) ? `"${kept}"` : makeSafe(JSON.stringify(kept))
}

/** Escapes what is unsafe to print in a JSON text. The value it stands for stays the same. */
export function makeSafe(json: string): string {
  return json.replace(UNSAFE, (character) => {
    let escaped = ''
    for (let i = 0; i < character.length; i++) {
      escaped += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`
    }
    return escaped
  })
}

/** At most `limit` code units, the last an ellipsis when something was left out. Surrogate pairs stay whole. */
export function truncate(text: string, limit: number): string {
  if (text.length <= limit) return text
  const end = isHighSurrogate(text.charCodeAt(limit - 2)) ? limit - 2 : limit - 1
  return `${text.slice(0, end)}…`
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}
