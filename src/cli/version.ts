import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'

/** The version of this package, from the package.json above this file: the checkout's, or the installed package's. */
export function packageVersion(): string {
  const path = findPackageJSON(import.meta.url)
  if (path === undefined) throw new Error('package.json is missing beside the program')
  const { version } = JSON.parse(readFileSync(path, 'utf8')) as { readonly version: string }
  return version
}
