/** Something pinned that has a newer version. */
export interface Finding {
  readonly name: string
  readonly pinned: string
  readonly newest: string
}
