/** Error codes of RFC 9113 section 7 and a state of streams (section 5.1), under Node's names. Node's own come with all of `node:http2`, which not every cage needs. */
export const constants = {
  NGHTTP2_NO_ERROR: 0,
  NGHTTP2_INTERNAL_ERROR: 2,
  NGHTTP2_CANCEL: 8,
  NGHTTP2_STREAM_STATE_IDLE: 1,
} as const
