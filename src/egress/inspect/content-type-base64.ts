import { entropyOf, histogramOf } from './shannon.ts'
import { Pace } from './steps.ts'

/** A run of base64 text: where it lies, line breaks and escapes included, and how many characters of it are base64. */
export interface Base64Run {
  readonly start: number
  readonly end: number
  readonly characters: number
}

/** The shortest line of a longer run (MIME wraps at 76, PEM at 64), and how far apart the search looks. */
const PIECE = 32

/** The longest gap between two lines of a run: a line break and an indent, as such or escaped. */
const LONGEST_GAP = 24
const GAP = /^(?:[\s"',]|\\[nrt"]|\\u000[ad]|%0[ad]|%20)+$/i

/** Base64 of text has 5.2 bits a character, of random bytes 5.9; identifiers, paths and hexadecimal stay below. */
const LEAST_ENTROPY = 4.9

/** A-Z a-z 0-9 + / and, of the URL-safe alphabet, - and _. Padding ends a run and is not in here. */
const ALPHABET = alphabetTable()

const BACKSLASH = 0x5c
const PERCENT = 0x25
const PADDING = 0x3d

/**
 * Every run of at least `minCharacters` (32 or more) of base64, in either alphabet, wherever it stands: a line, several
 * lines, a JSON string, a form value; with `\/`, `\u002b` or `%2B` in place of a character, and line breaks in it.
 * Takes time in proportion to the length: it looks at every 32nd byte, which no line of a run can avoid. Numbers between
 * the runs are places to pause, with how many bytes were looked at.
 */
export function* pacedBase64Runs(bytes: Buffer, minCharacters: number): Generator<Base64Run | number> {
  let run: Base64Run | undefined
  const pace = new Pace()
  for (let probe = PIECE - 1; probe < bytes.length; probe += PIECE) {
    if (pace.isDue(probe)) yield pace.take(probe)
    if (ALPHABET[bytes[probe] as number] === 0 || isWord(bytes, probe)) continue
    const piece = pieceAround(bytes, probe, run?.end ?? 0)
    if (piece.end > probe) probe = piece.end - 1
    if (piece.characters < PIECE) continue
    if (run !== undefined && isGap(bytes, run.end, piece.start)) {
      run = { start: run.start, end: piece.end, characters: run.characters + piece.characters }
      continue
    }
    if (run !== undefined && isBase64(bytes, run, minCharacters)) yield withLastLine(bytes, run)
    run = piece
  }
  if (run !== undefined && isBase64(bytes, run, minCharacters)) yield withLastLine(bytes, run)
}

/** At most `limit` characters from the start of a run, or from its end, without escapes, line breaks and padding. */
export function base64Text(
  bytes: Buffer,
  { start, end }: Base64Run,
  limit: number,
  from: 'start' | 'end' = 'start',
): string {
  const window = limit * 2 + 64
  const raw =
    from === 'start'
      ? bytes.toString('latin1', start, Math.min(end, start + window))
      : bytes.toString('latin1', Math.max(start, end - window), end)
  const text = raw
    .replace(/\\u00([257][bdf])|%([257][bdf])/gi, (_, json?: string, form?: string) =>
      String.fromCharCode(Number.parseInt(json ?? form ?? '', 16)),
    )
    .replace(/\\[nrt]|\\u00(?:0[ad]|3d)|%(?:0[ad]|3d|20)|[^A-Za-z0-9+/_-]/gi, '')
  return from === 'start' ? text.slice(0, limit) : text.slice(-limit)
}

/** Whether what is around `probe` ends within a piece's length on both sides, and not in what may be an escape. */
function isWord(bytes: Buffer, probe: number): boolean {
  let start = probe - 1
  while (probe - start <= PIECE && start >= 0 && ALPHABET[bytes[start] as number] === 1) start -= 1
  let end = probe + 1
  while (end - start <= PIECE && ALPHABET[bytes[end] as number] === 1) end += 1
  return end - start <= PIECE && !isEscapeMark(bytes[start]) && !isEscapeMark(bytes[end])
}

function isEscapeMark(byte: number | undefined): boolean {
  return byte === BACKSLASH || byte === PERCENT
}

/** The characters without a break around `probe`, not before `floor`. */
function pieceAround(bytes: Buffer, probe: number, floor: number): Base64Run {
  let start = probe
  while (start > floor) {
    const byte = bytes[start - 1] as number
    if (ALPHABET[byte] === 0 && !(isEscapeMark(byte) && escapeLength(bytes, start - 1) > 0)) break
    start -= 1
  }
  if (start > floor) start += remainder(bytes, start - 1)
  let end = start
  let characters = 0
  while (end < bytes.length) {
    const step = ALPHABET[bytes[end] as number] === 1 ? 1 : escapeLength(bytes, end)
    if (step === 0) break
    end += step
    characters += 1
  }
  while (bytes[end] === PADDING) end += 1
  return { start, end, characters }
}

/** How long the escape at `at` is that stands for a character of the alphabet: `\/`, `\u002b`, `%2B`; 0 for none. */
function escapeLength(bytes: Buffer, at: number): number {
  const byte = bytes[at]
  if (byte === BACKSLASH) {
    if (bytes[at + 1] === 0x2f) return 2
    return /^\\u00(?:2[bdf]|5f)$/i.test(bytes.toString('latin1', at, at + 6)) ? 6 : 0
  }
  return byte === PERCENT && /^%(?:2[bdf]|5f)$/i.test(bytes.toString('latin1', at, at + 3)) ? 3 : 0
}

/** How many characters behind a break at `at` belong to it: the `n` of `\n`, the `0A` of `%0A`. */
function remainder(bytes: Buffer, at: number): number {
  if (bytes[at] === BACKSLASH) return bytes[at + 1] === 0x75 ? 5 : 1
  return bytes[at] === PERCENT ? 2 : 0
}

/** What stands between two lines of one run. Padding ends a run: a list of hashes is not one. */
function isGap(bytes: Buffer, from: number, to: number): boolean {
  if (to - from > LONGEST_GAP || /(?:=|%3d|\\u003d)$/i.test(bytes.toString('latin1', Math.max(0, from - 6), from)))
    return false
  return GAP.test(bytes.toString('latin1', from, to))
}

/** With the last, shorter line. */
function withLastLine(bytes: Buffer, run: Base64Run): Base64Run {
  const gap =
    /^(?:\s|\\[nr]|\\u000[ad]|%0[ad])+/i.exec(bytes.toString('latin1', run.end, run.end + LONGEST_GAP))?.[0].length ?? 0
  if (gap === 0 || run.end + gap >= bytes.length || ALPHABET[bytes[run.end + gap] as number] === 0) return run
  const { end, characters } = pieceAround(bytes, run.end + gap, run.end + gap)
  return { start: run.start, end, characters: run.characters + characters }
}

/** Long enough, and neither hexadecimal nor words: with capitals, small letters and digits, and near random. */
function isBase64(bytes: Buffer, { start, end, characters }: Base64Run, minCharacters: number): boolean {
  if (characters < minCharacters) return false
  const histogram = histogramOf(bytes.subarray(start, end))
  const has = (first: number, last: number): boolean => histogram.subarray(first, last + 1).some((count) => count > 0)
  return has(0x41, 0x5a) && has(0x61, 0x7a) && has(0x30, 0x39) && entropyOf(histogram) >= LEAST_ENTROPY
}

function alphabetTable(): Uint8Array {
  const table = new Uint8Array(256)
  for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_')
    table[character.charCodeAt(0)] = 1
  return table
}
