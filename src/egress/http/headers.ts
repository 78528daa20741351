/**
 * Header fields as they stood on the wire: name, value, name, value, …
 * Case, order and duplicates are kept. Strings hold bytes as Latin-1, as `node:http` gives them.
 */
export type HeaderList = readonly string[]
