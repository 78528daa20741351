/** The disk is not one that a guest's kernel leaves behind. */
export class DiskError extends Error {
  override readonly name = 'DiskError'
}
