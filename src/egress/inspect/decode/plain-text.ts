import { isAscii } from 'node:buffer'
import { alignedWords } from '../../secrets/word-finder.ts'
import { asciiSet } from '../../simd/byte-set.ts'
import { passesFor } from '../../simd/passes.ts'
import { TEXT_BYTES } from './byte-class.ts'

/** Of text as `isPlainText` knows it, in bits a byte: it has no more than 99 different signs. */
export const MOST_PLAIN_ENTROPY = Math.log2(99)

const FORM_FEED = 0x0c

/** Whether it is ASCII without control characters but white space, as most of what programs send. */
export function isPlainText(bytes: Buffer): boolean {
  const passes = passesFor(bytes.length)
  return passes === undefined ? isPlainByWords(bytes) : passes.outside(bytes, PLAIN) === bytes.length
}

const PLAIN = asciiSet(Array.from({ length: 256 }, (_, byte) => byte).filter(isPlain))

function isPlainByWords(bytes: Buffer): boolean {
  if (!isAscii(bytes)) return false
  const words = alignedWords(bytes)
  const first = words.length === 0 ? bytes.length : words.byteOffset - bytes.byteOffset
  for (let index = 0; index < words.length; index += 1) {
    if (mayHoldControl(words[index] as number) && !isText(bytes, first + index * 4, first + index * 4 + 4)) return false
  }
  return isText(bytes, 0, first) && isText(bytes, first + words.length * 4, bytes.length)
}

/** Whether any of four bytes may be below 0x20, or 0x7f: by what is borrowed in a subtraction. Never misses one. */
function mayHoldControl(word: number): boolean {
  const deleted = word ^ 0x7f7f7f7f
  return ((((word - 0x20202020) & ~word) | ((deleted - 0x01010101) & ~deleted)) & 0x80808080) !== 0
}

function isText(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) {
    if (!isPlain(bytes[at] as number)) return false
  }
  return true
}

function isPlain(byte: number): boolean {
  return TEXT_BYTES[byte] === 1 || byte === FORM_FEED
}
