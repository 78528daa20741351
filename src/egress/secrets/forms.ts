import { canonicalBytes, withoutSeparators } from './canonical.ts'

/** How a text can be written as a whole. In base64 its first byte may be any of three in a group. */
export type Form =
  | { readonly kind: 'plain' }
  | { readonly kind: 'base64'; readonly alignment: 0 | 1 | 2 }
  | { readonly kind: 'hex'; readonly isUpper: boolean }
  | { readonly kind: 'base64-twice' }

/** A form, forwards or backwards. */
export interface Written {
  readonly form: Form
  readonly isReversed: boolean
  readonly text: string
}

/** Shorter texts are looked for as they are, escaped or not: in pieces or in base64 they would be found by chance. */
export const LEAST_BYTES = 8

/** The forms of a text of eight bytes and more; for base64 the characters that the text alone decides, URL-safe. */
function writtenForms(text: string): readonly Written[] {
  const bytes = Buffer.from(text)
  if (bytes.length < LEAST_BYTES) return []
  const hex = bytes.toString('hex')
  const lower = text.toLowerCase()
  const forwards: readonly (readonly [Form, string])[] = [
    [{ kind: 'plain' }, text],
    // Names of hosts, and of fields in HTTP/2, are in lower case.
    ...(lower === text ? [] : [[{ kind: 'plain' }, lower] as const]),
    ...([0, 1, 2] as const).map((alignment) => [{ kind: 'base64', alignment }, base64Core(bytes, alignment)] as const),
    [{ kind: 'hex', isUpper: false }, hex],
    [{ kind: 'hex', isUpper: true }, hex.toUpperCase()],
  ]
  return forwards.flatMap(([form, written]) => [
    { form, isReversed: false, text: written },
    { form, isReversed: true, text: reversed(written) },
  ])
}

/** The same in canonical form, as far as that is long enough not to occur by chance. */
export function canonicalForms(text: string): readonly (Written & { readonly bytes: Buffer })[] {
  return writtenForms(text)
    .flatMap((written) => {
      const bytes = Buffer.from(written.text)
      // What looks like an escape is none where a separator cuts it.
      const forms = [canonicalBytes(bytes), withoutSeparators(bytes)]
      return forms.map((form) => ({ ...written, bytes: form }))
    })
    .filter(({ bytes }) => bytes.length >= LEAST_BYTES)
}

/**
 * Base64 of base64, canonical: what its letters are whatever stands around it, but for those at the ends that hold bits of
 * neighbours too. For responses; of what leaves every layer is undone.
 */
export function twiceEncodedForms(text: string): readonly (Written & { readonly bytes: Buffer })[] {
  const bytes = Buffer.from(text)
  if (bytes.length < LEAST_BYTES) return []
  const inner = ([0, 1, 2] as const).map((alignment) => base64Core(bytes, alignment))
  const either = new Set(inner.flatMap((core) => [core, core.replaceAll('-', '+').replaceAll('_', '/')]))
  return [...either].flatMap((core) =>
    ([0, 1, 2] as const).map((alignment) => {
      const written = base64Core(Buffer.from(core), alignment)
      const form = { kind: 'base64-twice' } as const
      return { form, isReversed: false, text: written, bytes: canonicalBytes(Buffer.from(written)) }
    }),
  )
}

/** Characters that a mark before a text may take with it, as an escape: `%41`, `\\u0041`. */
const LONGEST_TAKEN = 5

/**
 * What to look for in canonical text to know that the text is there. The beginning of what is encoded does not count:
 * with a mark before it, it could be read as an escape.
 */
export function canonicalSigns(text: string): readonly Buffer[] {
  return canonicalForms(text).map(({ form, isReversed, bytes }) =>
    (form.kind !== 'plain' || isReversed) && bytes.length >= LONGEST_TAKEN + 2 * LEAST_BYTES
      ? bytes.subarray(LONGEST_TAKEN)
      : bytes,
  )
}

/** By code points, as programs reverse strings. */
export function reversed(text: string): string {
  return Array.from(text).toReversed().join('')
}

/** Six bits a character: those that hold bits of other bytes too are left out. */
function base64Core(bytes: Buffer, alignment: 0 | 1 | 2): string {
  const all = Buffer.concat([Buffer.alloc(alignment), bytes]).toString('base64url')
  return all.slice(Math.ceil((alignment * 8) / 6), Math.floor(((alignment + bytes.length) * 8) / 6))
}
