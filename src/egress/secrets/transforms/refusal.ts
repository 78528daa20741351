/**
 * A transform cannot do its work on a request, which must be denied. The message is shown to the workload and recorded:
 * it never holds a value, nor what a token endpoint said.
 */
export class TransformRefused extends Error {
  override readonly name = 'TransformRefused'
  /** `request`: what the workload sent cannot be transformed. `source`: what is needed for it is not to be had now. */
  readonly kind: 'request' | 'source'

  constructor(kind: 'request' | 'source', message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.kind = kind
  }
}
