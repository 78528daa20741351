/** Fields that say where a message goes and where it ends. They are not the workload's to fill from a secret. */
export const FRAMING_FIELDS: ReadonlySet<string> = new Set([
  'host',
  ':authority',
  ':method',
  ':scheme',
  ':path',
  'content-length',
  'transfer-encoding',
  'connection',
  'upgrade',
  'trailer',
  'te',
  'expect',
])

/** Whether a header field is one that carries credentials, by its name in lower case. */
export function isCredentialField(name: string): boolean {
  return /auth|key|token/.test(name) && !FRAMING_FIELDS.has(name)
}
