/** The disk is not one that a guest's kernel leaves behind. */
export class DiskError extends Error {
  override readonly name: string = 'DiskError'
}

/** A part of the disk is nothing that we read, though any process in the guest can make such: the rest can be read. */
export class DiskLimitError extends DiskError {
  override readonly name = 'DiskLimitError'
}
