import { encode, spellings } from './dialect.ts'
import { canonicalForms, canonicalSigns, LEAST_BYTES, twiceEncodedForms, type Written } from './forms.ts'

/** Bytes to look for; `key` is the same for the same bytes. */
export interface Needle {
  readonly bytes: Buffer
  readonly key: string
}

/** Another text, as it is written where this needle stood. */
export interface ExactForm extends Needle {
  readonly rewrite: (text: string) => Buffer
}

export interface LooseForm extends Needle {
  readonly written: Written
}

/** All that a text is looked for as. Where two ways of writing it give the same bytes, the first one counts. */
export interface TextForms {
  /** As it is, and as common encoders escape it. */
  readonly spellings: readonly ExactForm[]
  /** In UTF-16. */
  readonly wide: readonly ExactForm[]
  /** In canonical text. */
  readonly loose: readonly LooseForm[]
  /** What tells in canonical text that it is there. */
  readonly signs: readonly Needle[]
}

/**
 * The forms of texts, worked out once for each: whatever is made of many values is made anew for every token, and their
 * forms are most of that work.
 */
export class KnownForms {
  readonly #known = new Map<string, TextForms>()

  of(text: string): TextForms {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const forms = formsOf(text)
    this.#known.set(text, forms)
    return forms
  }

  /** Forgets all others. */
  keepOnly(texts: ReadonlySet<string>): void {
    for (const text of this.#known.keys()) if (!texts.has(text)) this.#known.delete(text)
  }
}

function formsOf(text: string): TextForms {
  return {
    spellings: distinct(
      spellings(text).map((spelling) => {
        return { ...needle(Buffer.from(spelling.text)), rewrite: (other: string) => encode(other, spelling.dialect) }
      }),
    ),
    wide: distinct(wideSpellings(text).map((rewrite) => ({ ...needle(rewrite(text)), rewrite }))),
    loose: distinct(
      [...canonicalForms(text), ...twiceEncodedForms(text)].map(({ bytes, ...written }) => ({
        ...needle(bytes),
        written,
      })),
    ),
    signs: distinct(canonicalSigns(text).map(needle)),
  }
}

function needle(bytes: Buffer): Needle {
  return { bytes, key: bytes.toString('latin1') }
}

function distinct<T extends Needle>(needles: readonly T[]): readonly T[] {
  const keys = new Set<string>()
  return needles.filter(({ key }) => !keys.has(key) && keys.add(key))
}

type Spell = (text: string) => Buffer

const littleEnd: Spell = (text) => Buffer.from(text, 'utf16le')
const bigEnd: Spell = (text) => littleEnd(text).swap16()
/** What both orders of bytes have in common where every second byte is zero. */
const eitherEnd: Spell = (text) => littleEnd(text).subarray(0, -1)

/** UTF-16: what some programs of Windows and Java answer in. */
function wideSpellings(text: string): readonly Spell[] {
  if (Buffer.byteLength(text) < LEAST_BYTES) return []
  return /^[\0-\xff]*$/.test(text) ? [eitherEnd] : [littleEnd, bigEnd]
}
