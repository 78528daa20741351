/**
 * Text of units: whatever a configuration holds, a value stays the one value it is. It cannot add a directive, a
 * section, a specifier, a variable or a second word.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CageError } from '../../../src/errors.ts'
import { environmentWord, execWords, renderUnit, unitValue } from '../../../src/isolation/systemd/unit-text.ts'

describe('words of a command line', () => {
  const cases: readonly (readonly [word: string, text: string])[] = [
    ['plain', 'plain'],
    ['', '""'],
    ['two words', '"two words"'],
    ['50%', '"50%%"'],
    ['%h %%', '"%%h %%%%"'],
    ['$HOME', '"$$HOME"'],
    ['${HOME}', '"$${HOME}"'],
    ['say "hi"', '"say \\"hi\\""'],
    ["it's", '"it\'s"'],
    ['back\\slash', '"back\\\\slash"'],
    ['a\nExecStartPre=/bin/true', '"a\\x0aExecStartPre=/bin/true"'],
    ['tab\there', '"tab\\x09here"'],
    [';', '";"'],
    ['#', '"#"'],
    ['grün', '"grün"'],
  ]
  for (const [word, text] of cases) {
    test(JSON.stringify(word), () => assert.equal(execWords([word]), text))
  }

  test('NUL is refused', () => {
    assert.throws(() => execWords(['a\0b']), isInvalid)
  })

  test('whatever the words are, there is one line, and reading it as systemd does gives them back', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }).filter((word) => !word.includes('\0'))), (words) => {
        const text = execWords(words)
        assert.doesNotMatch(text, /[\n\r]/)
        assert.deepEqual(readWords(text), words)
      }),
    )
  })
})

describe('variables', () => {
  test('a dollar is a dollar, a percent sign doubled', () => {
    assert.equal(environmentWord('PRICE', '$5 = 5%'), '"PRICE=$5 = 5%%"')
  })

  test('a line break does not end the directive', () => {
    assert.equal(environmentWord('KEY', 'one\nUser=root'), '"KEY=one\\x0aUser=root"')
  })
})

describe('units', () => {
  test('sections and directives, one a line', () => {
    const text = renderUnit('Made by a test.', [
      { name: 'Unit', directives: [['Description', unitValue('100% demo')]] },
      { name: 'Service', directives: [['ExecStart', execWords(['/bin/echo', 'a b'])]] },
    ])
    assert.equal(text, '# Made by a test.\n\n[Unit]\nDescription=100%% demo\n\n[Service]\nExecStart=/bin/echo "a b"\n')
  })

  for (const value of ['a\nUser=root', 'a\r', 'ends with \\', '\u0000', 'a\x1b[2J']) {
    test(`${JSON.stringify(value)} is refused as a value`, () => {
      assert.throws(() => renderUnit('x', [{ name: 'Unit', directives: [['Description', value]] }]), isInvalid)
    })
  }
})

function isInvalid(error: unknown): boolean {
  return error instanceof CageError && error.code === 'config_invalid'
}

/** extract_first_word() of systemd with its flags for ExecStart=, then specifiers and variables. */
function readWords(text: string): readonly string[] {
  const words = text.match(/"(?:[^"\\]|\\.)*"|[^ "]+/gu) ?? []
  return words.map((word) => {
    const bare = word.startsWith('"') ? word.slice(1, -1) : word
    const unescaped = bare.replace(/\\(?:x([0-9a-f]{2})|(.))/gsu, (_, code?: string, other?: string) =>
      code === undefined ? (other ?? '') : String.fromCharCode(Number.parseInt(code, 16)),
    )
    return unescaped.replaceAll('%%', '%').replaceAll('$$', '$')
  })
}
