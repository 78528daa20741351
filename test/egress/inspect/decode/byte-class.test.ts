/** Where runs end is the same by SIMD, which follows long ones, as byte by byte: at each distance from the blocks' ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALPHANUMERIC, byteClass, endOfRun } from '../../../../src/egress/inspect/decode/byte-class.ts'
import { BLOCK_BYTES } from '../../../../src/egress/simd/passes.ts'

const CLASSES = { base64: byteClass(`${ALPHANUMERIC}+/-_\r\n\\`), 'one that is not ASCII': byteClass('ab\u00ff') }

for (const [name, members] of Object.entries(CLASSES)) {
  test(`${name}: at each length around the bounds`, () => {
    const bytes = Buffer.alloc(3 * BLOCK_BYTES, 'a')
    for (const bound of [0, 1024, BLOCK_BYTES, BLOCK_BYTES + 1024, 2 * BLOCK_BYTES + 1024, bytes.length]) {
      for (let end = Math.max(0, bound - 18); end < Math.min(bytes.length, bound + 18); end += 1) {
        bytes[end] = 0x7b
        for (const start of [0, 1, 7, 1024]) {
          if (start <= end) assert.equal(endOfRun(bytes, members, start), end, `${start} to ${end}`)
        }
        bytes[end] = 0x61
      }
    }
    assert.equal(endOfRun(bytes, members, 5), bytes.length)
  })
}

test('each byte that is no member ends a long run', () => {
  const { base64 } = CLASSES
  const bytes = Buffer.alloc(20_000, 'Z')
  for (let byte = 0; byte < 256; byte += 1) {
    bytes[17_001] = byte
    assert.equal(endOfRun(bytes, base64, 0), base64[byte] === 1 ? bytes.length : 17_001, String(byte))
  }
})
