/** Error codes of RFC 9113 section 7, under Node's names. Node's own come with all of `node:http2`, which not every cage needs. */
export const constants = {
  NGHTTP2_NO_ERROR: 0,
  NGHTTP2_INTERNAL_ERROR: 2,
  NGHTTP2_CANCEL: 8,
} as const
