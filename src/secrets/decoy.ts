import { randomInt } from 'node:crypto'
import { decoyToken, isToken } from './decoy-token.ts'

/** Most characters that a placeholder can have. */
const MAX_LENGTH = 512

/** Less than this could occur by chance, and would be replaced there. */
const LEAST_BITS = 32

const ATTEMPTS = 200

/** What says which kind of credential it is, not which one. */
const KEPT: readonly RegExp[] = [
  // Model and search providers.
  /^(?:sk-(?:ant-(?:api|admin|oat|ort)\d\d-|proj-|svcacct-|admin-|or-v1-|lf-)?|pplx-|hf_|gsk_|xai-|r8_|fw_|nvapi-|pcsk_|lsv2_(?:pt|sk)_|tvly-(?:dev-|prod-)?|BSA[I]?|fc-|sk_(?:live|test)_|sk_)/,
  // Clouds.
  /^(?:AKIA|ASIA|ABIA|ACCA|ABSK|AIza|ya29\.|GOCSPX-|1\/\/0|do[opr]_v1_|dapi|dose|LTAI|AKID|fo1_|HRKU-AA|vc[piark]_|nfp_|hvs\.|hvb\.|pul-|dp\.(?:pt|st|sa|ct|scim|audit)\.|sbp_|pscale_(?:tkn|oauth|pw)_|v1\.0-)/,
  // Source hosting, packages, builds.
  /^(?:gh[pousr]_|github_pat_|gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt)-|ATBB|ATATT3xFfGF?0?|npm_|pypi-AgEIcHlwaS5vcmc|pypi-AgE|rubygems_|cio|oy2|CLOJARS_|AKCp|dckr_(?:pat|oat)_|CCI(?:PAT|PRJ)_|bkua_|sq[upa]_|sgp_|PMAK-|sntry[us]_)/,
  // Services.
  /^(?:gl(?:sa|c)_|NRAK-|dt0c01\.|lin_api_|ntn_|secret_|figd_|CFPAT-|xox[abeoprs](?:\.xox[bp])?-|xapp-1-|[rp]k_(?:live|test)_|whsec_|sq0[a-z]{3}-|shp(?:at|ca|pa|ss)_|rzp_(?:live|test)_|FLWSECK(?:_TEST)?-|SK(?=[0-9a-f]{32}$)|AC(?=[0-9a-f]{32}$)|SG\.|key-|xkeysib-|re_|EAA[A-Z]|pat(?=[A-Za-z0-9]{14}\.)|pat-(?:na|eu)\d-|duffel_(?:live|test)_|EZ[AT]K)/,
  // In the middle or at the end.
  /T3BlbkFJ/,
  /(?<=^sk-ant-api.*)AA$/,
  /(?<=^.{8,}:)AA/,
  /(?<=^FLWSECK.*)-X$/,
]

/**
 * A text with the shape of `value` and nothing else of it, for clients that check what a credential looks like: as long, with
 * the beginning that its kind has, with the same characters between its parts, and parts made of the same kinds of
 * characters. The rest is random: 128 bits and more where there is room. A JSON Web Token becomes another one.
 * Undefined for what no placeholder can look like: less than 8 or more than 512 characters, blanks, line breaks, characters
 * beyond ASCII, hardly anything to vary. It neither holds the value or one of `others`, nor stands in one of them.
 */
export function decoyFor(value: string, others: readonly string[] = []): string | undefined {
  if (!/^[\x21-\x7e]{8,}$/.test(value)) return undefined
  const draw = isToken(value) ? () => decoyToken(value) : drawerFor(value)
  if (draw === undefined) return undefined
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const decoy = draw()
    const isOwn = [value, ...others].every((other) => !decoy.includes(other) && !other.includes(decoy))
    if (isOwn && decoy.length <= MAX_LENGTH) return decoy
  }
  return undefined
}

/** Draws texts of this shape; undefined when there are too few of them. */
function drawerFor(value: string): (() => string) | undefined {
  const kept = keptPositions(value)
  const alphabets = alphabetsOf(value, kept)
  const bits = alphabets.reduce((sum, alphabet) => sum + Math.log2(alphabet.length), 0)
  if (bits < LEAST_BITS || value.length > MAX_LENGTH) return undefined
  return () => alphabets.map((alphabet) => alphabet[randomInt(alphabet.length)]).join('')
}

function keptPositions(value: string): ReadonlySet<number> {
  const kept = new Set<number>()
  for (const pattern of KEPT) {
    const match = pattern.exec(value)
    for (let at = match?.index ?? 0; at < (match?.index ?? 0) + (match?.[0].length ?? 0); at++) kept.add(at)
  }
  return kept
}

/** What each character may become. A part is letters and digits up to another character, or to what is kept. */
function alphabetsOf(value: string, kept: ReadonlySet<number>): readonly string[] {
  const characters = Array.from(value)
  const isFixed = (at: number): boolean => kept.has(at) || !/[A-Za-z0-9]/.test(characters[at] ?? '')
  const alphabets: string[] = []
  for (let start = 0; start < characters.length;) {
    let end = start
    while (end < characters.length && !isFixed(end)) end += 1
    if (end === start) alphabets.push(characters[start] ?? '')
    else alphabets.push(...characters.slice(start, end).map(() => alphabetOf(value.slice(start, end))))
    start = Math.max(end, start + 1)
  }
  return alphabets
}

const DIGITS = '0123456789'
const LOWER = 'abcdefghijklmnopqrstuvwxyz'
const UPPER = LOWER.toUpperCase()

/** The narrowest set of characters that a part is written in. */
const ALPHABETS: readonly string[] = [
  DIGITS,
  `${DIGITS}abcdef`,
  `${DIGITS}ABCDEF`,
  LOWER,
  UPPER,
  `${UPPER}234567`,
  DIGITS + LOWER,
  DIGITS + UPPER,
  LOWER + UPPER,
]

function alphabetOf(part: string): string {
  const fits = (alphabet: string): boolean => Array.from(part).every((character) => alphabet.includes(character))
  return ALPHABETS.find(fits) ?? DIGITS + LOWER + UPPER
}
