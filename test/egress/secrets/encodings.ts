/** How a text can be written; each takes any text. */
export const ENCODINGS: Readonly<Record<string, (text: string) => string>> = {
  'as it is': (text) => text,
  'percent-encoded': encodeURIComponent,
  'percent-encoded throughout, in lower case': (text) => percent(text),
  'percent-encoded throughout, in upper case': (text) => percent(text).toUpperCase(),
  'percent-encoded here and there, where there is no need': (text) =>
    Array.from(text)
      .map((character, at) => (at % 3 === 0 ? percent(character) : encodeURIComponent(character)))
      .join(''),
  'a form': (text) => new URLSearchParams({ k: text }).toString().slice(2),
  'a JSON string': (text) => JSON.stringify(text).slice(1, -1),
  'a JSON string, escaped throughout': (text) => jsonEscaped(text),
  'a JSON string, escaped throughout in upper case': (text) =>
    jsonEscaped(text).replaceAll(/[a-f]/g, (digit) => digit.toUpperCase()),
  'a JSON string in a JSON string': (text) => JSON.stringify(JSON.stringify(text)).slice(1, -1),
  'JavaScript escapes': (text) =>
    Array.from(text)
      .map((character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
      .join(''),
  'escapes of Perl': (text) =>
    Array.from(text)
      .map((character) => `\\x{${(character.codePointAt(0) ?? 0).toString(16)}}`)
      .join(''),
  'what escape() of JavaScript gives': (text) =>
    text
      .split('')
      .map((unit) => `%u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  'C escapes': (text) => [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join(''),
  'octal escapes': (text) => [...Buffer.from(text)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join(''),
  'HTML, named entities': (text) =>
    text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;').replaceAll('_', '&lowbar;'),
  'HTML, decimal': (text) =>
    Array.from(text)
      .map((character) => `&#${character.codePointAt(0)};`)
      .join(''),
  'HTML, hexadecimal': (text) =>
    Array.from(text)
      .map((character) => `&#x${(character.codePointAt(0) ?? 0).toString(16)};`)
      .join(''),
  base64: (text) => Buffer.from(text).toString('base64'),
  'base64, one byte in': (text) => Buffer.from(`x${text}yz`).toString('base64'),
  'base64, two bytes in': (text) => Buffer.from(`xy${text}z`).toString('base64'),
  'base64, URL-safe': (text) => Buffer.from(`xyz${text}`).toString('base64url'),
  'base64, one byte in, URL-safe': (text) => Buffer.from(`x${text}`).toString('base64url'),
  'base64, two bytes in, URL-safe': (text) => Buffer.from(`xy${text}`).toString('base64url'),
  'base64, wrapped': (text) => Buffer.from(text).toString('base64').replaceAll(/.{11}/g, '$&\r\n'),
  hexadecimal: (text) => Buffer.from(text).toString('hex'),
  'hexadecimal in upper case': (text) => Buffer.from(text).toString('hex').toUpperCase(),
  'hexadecimal with colons': (text) =>
    Buffer.from(text)
      .toString('hex')
      .replaceAll(/..(?=.)/g, '$&:'),
  backwards: (text) => backwards(text),
  'in lower case': (text) => text.toLowerCase(),
  'base64 backwards': (text) => backwards(Buffer.from(text).toString('base64')),
  'in pieces of four, with hyphens': (text) => inPieces(text, 4, '-'),
  'in pieces of one, with spaces': (text) => inPieces(text, 1, ' '),
  'in pieces, with line ends': (text) => inPieces(text, 9, '\r\n'),
  'in pieces, in quotes': (text) => inPieces(text, 5, '" + "'),
  'in pieces, in JSON': (text) => inPieces(text, 7, '", "'),
}

/** Layers of encodings: `outer(inner(text))`. */
export const NESTED: Readonly<Record<string, (text: string) => string>> = {
  'percent-encoded twice': (text) => percent(percent(text)),
  'base64 of percent-encoding': (text) => Buffer.from(percent(text)).toString('base64'),
  'base64 of base64': (text) => Buffer.from(Buffer.from(text).toString('base64')).toString('base64'),
  'base64 of base64 of hexadecimal': (text) =>
    Buffer.from(Buffer.from(Buffer.from(text).toString('hex')).toString('base64')).toString('base64'),
  'hexadecimal of base64': (text) => Buffer.from(Buffer.from(text).toString('base64')).toString('hex'),
  'HTML of a JSON string': (text) => jsonEscaped(text).replaceAll('\\', '&#92;'),
  'base64 of what is backwards': (text) => Buffer.from(backwards(text)).toString('base64'),
  'base64 of what is in pieces': (text) => Buffer.from(inPieces(text, 3, ' ')).toString('base64'),
  'four layers': (text) =>
    Buffer.from(JSON.stringify(Buffer.from(percent(Buffer.from(text).toString('hex'))).toString('base64'))).toString(
      'base64',
    ),
}

export function backwards(text: string): string {
  return Array.from(text).toReversed().join('')
}

function percent(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
}

function jsonEscaped(text: string): string {
  return text
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
}

function inPieces(text: string, length: number, by: string): string {
  const characters = Array.from(text)
  return characters.map((character, at) => (at > 0 && at % length === 0 ? `${by}${character}` : character)).join('')
}
