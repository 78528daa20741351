/** What a Basic field value carries (RFC 7617), and the value with other bytes in their place. */
export interface BasicCredentials {
  /** `user:password`, decoded. */
  readonly bytes: Buffer
  with(bytes: Buffer): string
}

/** Undefined unless the field value is `Basic` with base64, in either alphabet. Keeps the scheme's spelling. */
export function basicCredentials(value: string): BasicCredentials | undefined {
  const first = value.charCodeAt(0) | 0x20
  if (first !== 0x62) return undefined
  const match = /^(basic +)([A-Za-z0-9+/_-]+)={0,2} *$/i.exec(value)
  if (match?.[1] === undefined || match[2] === undefined) return undefined
  const scheme = match[1]
  return { bytes: Buffer.from(match[2], 'base64'), with: (bytes) => scheme + bytes.toString('base64') }
}
