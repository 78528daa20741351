import { crc32 } from 'node:zlib'

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const PREFIX = 4
const RANDOM = 30
const CHECK = 6

/**
 * Tokens of GitHub and npm: a prefix of four characters, thirty random ones, and the CRC-32 of these in base 62, six digits.
 * What stands behind is not looked at.
 */
export function hasBase62Checksum(text: string): boolean {
  const random = text.slice(PREFIX, PREFIX + RANDOM)
  return text.slice(PREFIX + RANDOM, PREFIX + RANDOM + CHECK) === base62(crc32(random))
}

function base62(value: number): string {
  let text = ''
  for (let rest = value; text.length < CHECK; rest = Math.floor(rest / 62)) text = `${DIGITS[rest % 62]}${text}`
  return text
}
