import { readdirSync } from 'node:fs'
import { basename, dirname, extname, join } from 'node:path'
import { codeOf } from './failure.ts'

/**
 * A log that has grown to its bound goes on in a new file of the same name; what was written lies in `audit-1.jsonl`,
 * `audit-2.jsonl` and so on, the oldest first. The chain runs through all of them.
 */

/** The older files of the log at `file`, oldest first. */
export function rotatedFiles(file: string): readonly string[] {
  const numbers = numbersIn(file)
  return numbers.map((number) => rotatedName(file, number))
}

/** The name that the log gets next when it is put aside. */
export function nextRotated(file: string): string {
  return rotatedName(file, (numbersIn(file).at(-1) ?? 0) + 1)
}

/**
 * The files that hold the chain up to and with `file`, in its order: the older ones and the log itself; where `file` is
 * one of the older ones, those before it and it.
 */
export function chainFiles(file: string): readonly string[] {
  const [, stem, digits] = /^(.*)-([1-9]\d{0,8})$/.exec(basename(file, extname(file))) ?? []
  if (stem === undefined || digits === undefined) return [...rotatedFiles(file), file]
  const log = join(dirname(file), `${stem}${extname(file)}`)
  return [
    ...numbersIn(log)
      .filter((number) => number < Number(digits))
      .map((number) => rotatedName(log, number)),
    file,
  ]
}

function rotatedName(file: string, number: number): string {
  const extension = extname(file)
  return join(dirname(file), `${basename(file, extension)}-${number}${extension}`)
}

function numbersIn(file: string): readonly number[] {
  const extension = extname(file)
  const prefix = `${basename(file, extension)}-`
  return namesIn(dirname(file))
    .filter((name) => name.startsWith(prefix) && name.endsWith(extension))
    .map((name) => name.slice(prefix.length, name.length - extension.length))
    .filter((digits) => /^[1-9]\d{0,8}$/.test(digits))
    .map(Number)
    .toSorted((a, b) => a - b)
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}
