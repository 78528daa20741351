/**
 * Characters that are not seen, and those that NFKC writes as ASCII, in hexadecimal. Not those that are only points,
 * such as the ellipsis: prose is full of them, and no credential holds two points in a row. A test compares this with
 * every character of the Unicode of this Node.
 */
const RANGES = [
  'aa ad b2-b3 b9-ba 132-133 17f 1c7-1cc 1f1-1f3 2b0 2b2-2b3 2b7-2b8 2e1-2e3 34f 37e 61c 115f-1160 17b4-17b5',
  '180b-180f 1d2c 1d2e 1d30-1d31 1d33-1d3a 1d3c 1d3e-1d43 1d47-1d49 1d4d 1d4f-1d50 1d52 1d56-1d58 1d5b 1d62-1d65',
  '1d9c 1da0 1dbb 1fef 200b-200f 2024 202a-202e 2060-2071 2074-207a 207c-208a 208c-208e 2090-2093 2095-209c 20a8',
  '2100-2102 2105-2106 210a-210e 2110-2113 2115-2116 2119-211d 2120-2122 2124 2128 212a 212c-212d 212f-2131',
  '2133-2134 2139 213b 2145-2149 2160-217f 2460-24ea 2a74-2a76 2c7c-2c7d 3164 3250-325f 32b1-32bf 32cc-32cf',
  '3371-337a 3380-3381 3383-338b 338e-3394 3396-339a 339c-33a6 33a9-33ad 33b0-33b1 33b3-33b5 33b7-33bb 33bd-33bf',
  '33c2-33c5 33c7-33dd 33ff a7f1-a7f4 fb00-fb06 fb29 fe00-fe10 fe13-fe16 fe33-fe38 fe47-fe48 fe4d-fe50 fe52',
  'fe54-fe57 fe59-fe5c fe5f-fe66 fe68-fe6b feff ff01-ff5e ffa0 fff0-fff8 107a5 1bca0-1bca3 1ccd6-1ccf9 1d173-1d17a',
  '1d400-1d454 1d456-1d49c 1d49e-1d49f 1d4a2 1d4a5-1d4a6 1d4a9-1d4ac 1d4ae-1d4b9 1d4bb 1d4bd-1d4c3 1d4c5-1d505',
  '1d507-1d50a 1d50d-1d514 1d516-1d51c 1d51e-1d539 1d53b-1d53e 1d540-1d544 1d546 1d54a-1d550 1d552-1d6a3',
  '1d7ce-1d7ff 1f100-1f10a 1f110-1f129 1f12b-1f12e 1f130-1f14f 1f16a-1f16c 1f190 1fbf0-1fbf9',
] as const

const RANGE_BOUNDS = RANGES.join(' ')
  .split(' ')
  .map((range) => range.split('-').map((bound) => Number.parseInt(bound, 16)))

const FOLDABLE = tableOf(RANGE_BOUNDS)

/** Tags and selectors of variants: a plane of its own, far behind all others, so that it is in no table. */
const INVISIBLE_PLANE = { first: 0xe0000, last: 0xe0fff }

/** Whether a character is one that folding removes or turns into ASCII. */
export function isFoldable(code: number): boolean {
  return FOLDABLE[code] === 1 || (code >= INVISIBLE_PLANE.first && code <= INVISIBLE_PLANE.last)
}

/** 1 for each first byte in UTF-8 of what has a fold, so that other scripts are passed over quickly. */
export const FOLDABLE_LEADS: Uint8Array = leadsOf([...RANGE_BOUNDS, [INVISIBLE_PLANE.first, INVISIBLE_PLANE.last]])

function tableOf(bounds: readonly (readonly number[])[]): Uint8Array {
  const table = new Uint8Array((bounds.at(-1)?.at(-1) ?? 0) + 1)
  for (const [first = 0, last = first] of bounds) table.fill(1, first, last + 1)
  return table
}

function leadsOf(bounds: readonly (readonly number[])[]): Uint8Array {
  const leads = new Uint8Array(256)
  for (const [first = 0, last = first] of bounds) leads.fill(1, leadOf(first), leadOf(last) + 1)
  return leads
}

/** The first byte of a character in UTF-8 (RFC 3629, section 3), which grows with the character. */
function leadOf(code: number): number {
  if (code < 0x80) return code
  if (code < 0x800) return 0xc0 | (code >> 6)
  return code < 0x10000 ? 0xe0 | (code >> 12) : 0xf0 | (code >> 18)
}
