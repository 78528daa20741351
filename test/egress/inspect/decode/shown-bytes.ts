import type { Encoder } from './encodings.ts'

function each(bytes: Buffer, write: (byte: number, at: number) => string, between: string): Buffer {
  return Buffer.from(Array.from(bytes, write).join(between))
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}

function linesOf(bytes: Buffer, length: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, line) =>
    bytes.subarray(line * length, (line + 1) * length),
  )
}

function words(line: Buffer, bytes: number, swap: boolean): string {
  return linesOf(line, bytes)
    .map((word) => (swap ? Buffer.from(word.toReversed()) : word).toString('hex'))
    .join(' ')
}

function plain(line: Buffer): string {
  return line.toString('latin1').replace(/[^\x20-\x7e]/g, '.')
}

function dump(bytes: Buffer, line: (line: Buffer, offset: number) => string): Buffer {
  return Buffer.from(
    `${linesOf(bytes, 16)
      .map((part, at) => line(part, at * 16))
      .join('\n')}\n`,
  )
}

function offset(at: number, base: 8 | 16, width: number): string {
  return at.toString(base).padStart(width, '0')
}

/** As programs show bytes: each of these was compared with what they print. */
export const DUMPS: Readonly<Record<string, Encoder>> = {
  xxd: (bytes) =>
    dump(bytes, (line, at) => `${offset(at, 16, 8)}: ${words(line, 2, false).padEnd(39)}  ${plain(line)}`),
  'xxd -e': (bytes) =>
    dump(bytes, (line, at) => `${offset(at, 16, 8)}: ${words(line, 4, true).padEnd(35)}   ${plain(line)}`),
  'hexdump -C': (bytes) =>
    dump(bytes, (line, at) => {
      const halves = linesOf(line, 8).map((half) => words(half, 1, false))
      return `${offset(at, 16, 8)}  ${halves.join('  ').padEnd(48)}  |${plain(line)}|`
    }),
  hexdump: (bytes) => dump(bytes, (line, at) => `${offset(at, 16, 7)} ${words(line, 2, true)}`),
  od: (bytes) =>
    dump(bytes, (line, at) => {
      const numbers = linesOf(line, 2).map((word) => (word[0] as number) + 256 * (word[1] ?? 0))
      return `${offset(at, 8, 7)} ${numbers.map((number) => offset(number, 8, 6)).join(' ')}`
    }),
  'od -c': (bytes) => dump(bytes, (line, at) => `${offset(at, 8, 7)}   ${Array.from(plain(line)).join('   ')}`),
  'od -tx1z': (bytes) =>
    dump(bytes, (line, at) => `${offset(at, 8, 7)} ${words(line, 1, false).padEnd(47)}  >${plain(line)}<`),
}

export const LISTS: Readonly<Record<string, Encoder>> = {
  'hex with blanks': (bytes) => each(bytes, hex, ' '),
  'hex with colons': (bytes) => each(bytes, hex, ':'),
  '0x': (bytes) => each(bytes, (byte) => `0x${hex(byte)}`, ', '),
  '0x in quotes': (bytes) => each(bytes, (byte) => `"0x${hex(byte)}"`, ','),
  '\\x with commas': (bytes) => each(bytes, (byte) => `\\x${hex(byte)}`, ','),
  'decimal, JSON': (bytes) => Buffer.from(JSON.stringify([...bytes])),
  'decimal, JSON in lines': (bytes) => Buffer.from(JSON.stringify([...bytes], null, 2)),
  'decimal, JSON in a string of JSON': (bytes) => Buffer.from(JSON.stringify(JSON.stringify([...bytes], null, 1))),
  'decimal, a typed array in JSON': (bytes) => Buffer.from(JSON.stringify(new Uint8Array(bytes))),
  'decimal, lines': (bytes) => each(bytes, String, '\n'),
  chr: (bytes) => each(bytes, (byte) => `chr(${byte})`, '+'),
  'String.fromCharCode': (bytes) => Buffer.from(`String.fromCharCode(${[...bytes].join(',')})`),
  octal: (bytes) => each(bytes, (byte) => byte.toString(8), ' '),
  'binary digits': (bytes) => each(bytes, (byte) => byte.toString(2).padStart(8, '0'), ' '),
  'U+': (bytes) => each(bytes, (byte) => `U+00${hex(byte)}`, ' '),
}

function joined(text: string, length: number, between: string): string {
  return (text.match(new RegExp(`.{1,${length}}`, 'g')) ?? []).join(between)
}

function inPieces(text: string, length: number, between: string): Buffer {
  return Buffer.from(joined(text, length, between))
}

export const PIECES: Readonly<Record<string, Encoder>> = {
  characters: (bytes) => inPieces(bytes.toString(), 1, ' '),
  'characters, JSON': (bytes) => Buffer.from(JSON.stringify(bytes.toString().split(''))),
  'fours with blanks': (bytes) => inPieces(bytes.toString(), 4, ' '),
  'base64 in indented lines': (bytes) => inPieces(bytes.toString('base64'), 8, '\n  '),
  'base64 in a list of YAML': (bytes) => Buffer.from(`- ${joined(bytes.toString('base64'), 12, '\n- ')}`),
  'base64 in strings of JSON': (bytes) => Buffer.from(JSON.stringify(bytes.toString('base64').match(/.{1,10}/g))),
  'base64 in added strings': (bytes) => Buffer.from(`'${joined(bytes.toString('base64'), 16, "' +\n  '")}'`),
  'base64 in comments': (bytes) => Buffer.from(`# ${joined(bytes.toString('base64'), 16, '\n# ')}`),
  'base64 in a patch': (bytes) => Buffer.from(`+${joined(bytes.toString('base64'), 20, '\n+')}`),
  'base64 in numbered lines': (bytes) => {
    const lines = bytes.toString('base64').match(/.{1,20}/g) ?? []
    return Buffer.from(lines.map((line, at) => `${String(at + 1).padStart(6)}\t${line}\n`).join(''))
  },
  'hex in indented lines': (bytes) => inPieces(bytes.toString('hex'), 20, '\n  '),
  'base32 in indented lines': (bytes) => inPieces(base32(bytes), 20, '\n  '),
  uuencode: (bytes) => Buffer.from(`begin 644 f\n${linesOf(bytes, 45).map(uuLine).join('')}\`\nend\n`),
}

function base32(bytes: Buffer): string {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('')
  const digits = bits.match(/.{1,5}/g) ?? []
  return digits.map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five.padEnd(5, '0'), 2)]).join('')
}

function uuLine(line: Buffer): string {
  const bits = Array.from(line, (byte) => byte.toString(2).padStart(8, '0')).join('')
  const letters = bits.padEnd(Math.ceil(line.length / 3) * 24, '0').match(/.{6}/g) ?? []
  return `${letter(line.length)}${letters.map((six) => letter(Number.parseInt(six, 2))).join('')}\n`
}

function letter(six: number): string {
  return six === 0 ? '`' : String.fromCharCode(0x20 + six)
}
