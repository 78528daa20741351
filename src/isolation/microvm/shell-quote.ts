/** The words as a POSIX shell reads them back, whatever they hold. Throws a RangeError for NUL, which no word can hold. */
export function shellWords(words: readonly string[]): string {
  return words.map(shellWord).join(' ')
}

export function shellWord(word: string): string {
  if (word.includes('\0')) throw new RangeError(`a NUL byte in ${JSON.stringify(word.slice(0, 80))}`)
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
