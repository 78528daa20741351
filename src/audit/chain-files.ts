import { isDeepStrictEqual } from 'node:util'
import { CageError } from '../errors.ts'
import { LogReader } from './log-reader.ts'
import { chainFiles } from './rotated.ts'

/** The files of a chain, all open, oldest first: what is rotated from now on stays what it is here. */
export interface OpenChain extends AsyncDisposable {
  readonly files: readonly { readonly file: string; readonly reader: LogReader }[]
}

const ATTEMPTS = 5

/** Opens a log with the older files that it goes on from. Throws `audit_unusable` when one cannot be read. */
export async function openChain(path: string): Promise<OpenChain> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    await using opened = new AsyncDisposableStack()
    const names = chainFiles(path)
    const files: { file: string; reader: LogReader }[] = []
    for (const file of names) files.push({ file, reader: opened.use(await LogReader.open(file)) })
    // When it was rotated meanwhile, the last one may be the new file, and the one before it is missing.
    if (!isDeepStrictEqual(names, chainFiles(path))) continue
    const kept = opened.move()
    return { files, [Symbol.asyncDispose]: () => kept.disposeAsync() }
  }
  throw new CageError('audit_unusable', `audit log ${path} is put aside faster than it can be opened`)
}
