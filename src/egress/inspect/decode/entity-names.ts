/** Entities for what is not seen (HTML, section 13.5), in lower case; they are removed when Unicode is folded. */
const INVISIBLE: ReadonlyMap<string, number> = new Map(
  Object.entries({
    af: 0x2061,
    applyfunction: 0x2061,
    ic: 0x2063,
    invisiblecomma: 0x2063,
    invisibletimes: 0x2062,
    it: 0x2062,
    lrm: 0x200e,
    negativemediumspace: 0x200b,
    negativethickspace: 0x200b,
    negativethinspace: 0x200b,
    negativeverythinspace: 0x200b,
    nobreak: 0x2060,
    rlm: 0x200f,
    shy: 0xad,
    zerowidthspace: 0x200b,
    zwj: 0x200d,
    zwnj: 0x200c,
  }),
)

/** The longest name that counts. */
export const LONGEST_NAME = 21

/** What a name that is no plain ASCII character stands for: nothing that is seen, or a letter in another hand. */
export function disguisedCode(name: string): number | undefined {
  const letter = /^([A-Za-z])(?:fr|opf|scr)$/.exec(name)?.[1]
  return letter === undefined ? INVISIBLE.get(name.toLowerCase()) : letter.charCodeAt(0)
}
