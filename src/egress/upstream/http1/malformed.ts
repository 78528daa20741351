/** What an upstream sent is not one response that everybody would read alike. Says which rule it breaks, never what it sent. */
export class MalformedResponse extends Error {
  override readonly name = 'MalformedResponse'
}
