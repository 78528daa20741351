/**
 * Tables: aligned by what a terminal shows, fitted to its width, one line a row; and whatever a cell holds, no byte that
 * a terminal would act on leaves.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { printable } from '../../../src/cli/render/printable.ts'
import { layOut, renderRow, renderTable, type Column } from '../../../src/cli/render/table.ts'
import { displayWidth, takeColumns } from '../../../src/cli/render/width.ts'

describe('a table', () => {
  test('is as wide as its cells where nothing must fit', () => {
    const columns: readonly Column[] = [{ title: 'NAME' }, { title: 'N', align: 'right' }, { title: 'NOTE' }]
    const rows = [
      ['a', '1', 'x'],
      ['漢字é', '200', ''],
    ]
    assert.equal(renderTable(columns, rows), 'NAME    N NOTE\na       1 x\n漢字é 200\n')
  })

  test('gives and takes room', () => {
    const columns: readonly Column[] = [
      { title: 'TIME', width: 10, min: 5, cut: 'bare' },
      { title: 'PORT', width: 4 },
      { title: 'REASON', width: 10, min: 4, grow: 1 },
    ]
    const row = ['2026-11-22', '443', 'a long reason']
    assert.equal(renderRow(row, layOut(columns, 40)), '2026-11-22 443  a long reason\n')
    assert.equal(renderRow(row, layOut(columns, 26)), '2026-11-22 443  a long re…\n')
    assert.equal(renderRow(row, layOut(columns, 18)), '2026-1 443  a lon…\n')
    assert.equal(renderRow(row, layOut(columns, 1)), '2026- 443  a l…\n')
    assert.equal(renderRow(row, layOut(columns)), '2026-11-22 443  a long reason\n')
  })

  test('paints after it cut and padded', () => {
    const columns: readonly Column[] = [{ title: 'D', width: 4 }, { title: 'R' }]
    const layout = layOut(columns, 20)
    const cell = { text: 'blocked', paint: (text: string) => `<${text}>` }
    assert.equal(renderRow([cell, 'x'], layout), '<blo…> x\n')
  })

  test('is never wider than the terminal, if its least widths are not', () => {
    const columns: readonly Column[] = [
      { title: 'A', width: 10, min: 3, grow: 1 },
      { title: 'B', width: 20, min: 5, grow: 2 },
    ]
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'grapheme' }),
        fc.integer({ min: 9, max: 90 }),
        (a, b, width) => {
          const row = renderRow([a, b], layOut(columns, width))
          assert.equal(row.indexOf('\n'), row.length - 1)
          assert.ok(displayWidth(row.slice(0, -1)) <= width, JSON.stringify(row))
        },
      ),
    )
  })
})

describe('printable', () => {
  const catalogue: ReadonlyArray<readonly [string, string]> = [
    ['plain é 漢 🙂', 'plain é 漢 🙂'],
    ['\x1b[2J\x1b]52;c;eA==\x07', '\\x1b[2J\\x1b]52;c;eA==\\x07'],
    ['\x9b31m\x7f\x85', '\\x9b31m\\x7f\\x85'],
    ['a\r\nb\tc\0', 'a\\x0d\\x0ab\\x09c\\x00'],
    ['\u202egnp\u2066\u200b\ufeff', '\\u202egnp\\u2066\\u200b\\ufeff'],
    ['\u2028\u2029', '\\u2028\\u2029'],
    ['\ud800', '\\ud800'],
    ['\u{e0041}', '\\u{e0041}'],
  ]
  for (const [text, shown] of catalogue)
    test(`shows ${JSON.stringify(text)}`, () => assert.equal(printable(text), shown))

  test('lets no control through', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff })), (units) => {
        assert.doesNotMatch(printable(String.fromCharCode(...units)), /[\p{C}\p{Zl}\p{Zp}]/u)
      }),
    )
  })
})

describe('width', () => {
  const widths: ReadonlyArray<readonly [string, number]> = [
    ['', 0],
    ['abc', 3],
    ['é', 1],
    ['e\u0301', 1],
    ['漢字', 4],
    ['ｱ', 1],
    ['Ａ', 2],
    ['한', 2],
    ['🙂', 2],
    ['…', 1],
  ]
  for (const [text, width] of widths) test(`of ${text} is ${width}`, () => assert.equal(displayWidth(text), width))

  test('is respected when a text is cut', () => {
    assert.equal(takeColumns('漢字', 3), '漢')
    assert.equal(takeColumns('abc', 2), 'ab')
    assert.equal(takeColumns('e\u0301x', 1), 'e\u0301')
    assert.equal(takeColumns('é', 0), '')
  })
})
