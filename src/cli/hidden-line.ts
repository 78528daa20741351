/** What typing has come to: not yet there, a value with what was typed after it, or Ctrl-C. */
export type LineState =
  | { readonly kind: 'typing' }
  | { readonly kind: 'done'; readonly rest: string }
  | { readonly kind: 'interrupted' }

/** Asks a terminal to say where pasted text begins and ends: its line breaks are then part of the value. */
export const PASTE_ON = '\x1b[?2004h'
export const PASTE_OFF = '\x1b[?2004l'

/** CSI with parameters, SS3, or one character after the escape. */
const COMPLETE = /^\x1b(?:\[[\x20-\x3f]*[\x40-\x7e]|O[\x20-\x7e]|[^[O])$/

const LONGEST_ESCAPE = 32

/**
 * A line that is typed at a terminal in raw mode. Backspace takes a character away, Ctrl-U all of them, Enter or Ctrl-D
 * ends it; keys that are no characters (arrows) do nothing.
 */
export class HiddenLine {
  readonly #maxLength: number
  readonly #characters: string[] = []
  #escape = ''
  #pasting = false

  /** What is typed beyond `maxLength` characters is taken for one more. */
  constructor(maxLength: number) {
    this.#maxLength = maxLength
  }

  get text(): string {
    return this.#characters.join('')
  }

  feed(typed: string): LineState {
    const characters = Array.from(typed)
    for (const [index, character] of characters.entries()) {
      const end = this.#take(character)
      if (end === 'done') return { kind: 'done', rest: characters.slice(index + 1).join('') }
      if (end === 'interrupted') return { kind: 'interrupted' }
    }
    return { kind: 'typing' }
  }

  #take(character: string): 'done' | 'interrupted' | undefined {
    if (this.#escape !== '' || character === '\x1b') return this.#takeEscape(character)
    if (this.#pasting) return this.#add(character === '\r' ? '\n' : character)
    switch (character) {
      case '\r':
      case '\n':
      case '\x04':
        return 'done'
      case '\x03':
        return 'interrupted'
      case '\x7f':
      case '\b':
        this.#characters.pop()
        return undefined
      case '\x15':
        this.#characters.length = 0
        return undefined
      default:
        return character < ' ' && character !== '\t' ? undefined : this.#add(character)
    }
  }

  #takeEscape(character: string): 'done' | 'interrupted' | undefined {
    // The Escape key alone, and then another: no sequence holds a control character.
    if (this.#escape !== '' && character < ' ') {
      this.#escape = character === '\x1b' ? character : ''
      return character === '\x1b' ? undefined : this.#take(character)
    }
    this.#escape += character
    if (!COMPLETE.test(this.#escape) && this.#escape.length < LONGEST_ESCAPE) return undefined
    if (this.#escape === '\x1b[200~') this.#pasting = true
    if (this.#escape === '\x1b[201~') this.#pasting = false
    this.#escape = ''
    return undefined
  }

  #add(character: string): undefined {
    if (this.#characters.length <= this.#maxLength) this.#characters.push(character)
  }
}
