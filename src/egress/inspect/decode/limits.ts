import type { Config } from '../../../config/schema.ts'

export interface DecodeLimits {
  /** Layers that are undone. */
  readonly maxDepth: number
  /** Bytes of decoded views for a body of this size. */
  readonly maxBytes: (bodyBytes: number) => number
  readonly maxViews: number
}

/** How much is decoded, and what happens to what is not. */
export interface Decoding {
  readonly limits: DecodeLimits
  readonly tooDeep: 'block' | 'flag'
  readonly tooMany: 'block' | 'flag'
  readonly tooLarge: 'block' | 'flag'
}

/** Whatever the size of a body: small ones may hold what is compressed well. */
const LEAST_BUDGET = 4_194_304

export function decodingOf({ decoding }: Pick<Config, 'decoding'>): Decoding {
  const {
    max_depth: maxDepth,
    max_growth: growth,
    max_bytes: most,
    max_views: maxViews,
    too_deep,
    too_many,
    too_large,
  } = decoding
  return {
    limits: { maxDepth, maxViews, maxBytes: (bodyBytes) => Math.min(most, growth * bodyBytes + LEAST_BUDGET) },
    tooDeep: too_deep,
    tooMany: too_many,
    tooLarge: too_large,
  }
}

/** Those of a configuration that says nothing about them; a test holds that. */
export const DECODE_LIMITS: DecodeLimits = {
  maxDepth: 4,
  maxBytes: (bodyBytes) => Math.min(67_108_864, 4 * bodyBytes + LEAST_BUDGET),
  maxViews: 256,
}
