/** What is done with secrets where, in words: the reference page is made from these tables. */

interface PlaceRow {
  readonly place: string
  /** When a placeholder is replaced there. */
  readonly injected: string
  /** Whether a value is taken out there on its way back. */
  readonly redacted: string
}

export const PLACES: readonly PlaceRow[] = [
  {
    place: 'header field whose name has `auth`, `key` or `token`',
    injected: 'always; `Authorization: Basic` is decoded and encoded again',
    redacted: 'yes',
  },
  { place: 'field listed in `inject_headers`, such as `cookie`', injected: 'always', redacted: 'yes' },
  { place: 'any other header field', injected: 'with `inject_body`', redacted: 'yes, in its name too' },
  {
    place: 'field that says where a message goes or ends (`Host`, `Content-Length`, …)',
    injected: 'never',
    redacted: 'yes',
  },
  {
    place: 'path and query',
    injected: 'with `inject_body`, percent-encoded',
    redacted: '`Location` and the like: yes',
  },
  {
    place: 'body',
    injected: 'with `inject_body`, escaped as its media type wants it; never in a compressed one',
    redacted: 'yes, as it streams; gzip, deflate, br and zstd are undone',
  },
  {
    place: 'byte range of a body (`Range`, `If-Range`)',
    injected: '',
    redacted:
      'left out of requests, so that the answer is whole: to hosts in `inject_to`, and to every host when a rule has `inject_body`, by which a value may be stored at one host and served by another',
  },
  { place: 'server-sent events', injected: '', redacted: 'yes, without holding events back' },
  { place: 'WebSocket message', injected: 'with `inject_body`', redacted: 'yes; control frames too' },
  {
    place: 'gRPC message',
    injected: 'with `inject_body`, with lengths of fields that stay true; compressed with gzip too',
    redacted: 'yes, likewise',
  },
  { place: 'reason phrase, trailers, `Set-Cookie`', injected: '', redacted: 'yes' },
]

interface FormRow {
  readonly form: string
  /** What stands in its place in a response. */
  readonly redacted: string
}

/** The forms in which a value or a placeholder is found, for values of eight bytes and more. */
export const FORMS: readonly FormRow[] = [
  { form: 'as it is, or in lower case', redacted: 'the placeholder' },
  {
    form: 'percent-encoded, in either case, with needless escapes (`%61`), `+` for a space, `%u0061`',
    redacted: 'percent-encoded',
  },
  {
    form: 'JSON, JavaScript, C and Perl escapes: `\\u0061`, surrogate pairs, `\\u{61}`, `\\x61`, `\\x{61}`, `\\141`, `\\/`',
    redacted: 'escaped as JSON',
  },
  {
    form: 'HTML entities: named, decimal, hexadecimal, without their semicolon too',
    redacted: 'with decimal entities',
  },
  { form: 'escapes in escapes, four layers', redacted: 'escaped once' },
  {
    form: 'base64, either alphabet, at each of the three alignments, padded or not, wrapped',
    redacted:
      'in base64; what stands around it decodes as before (up to two spaces follow the placeholder in the middle of a text). Where a line end or an escape stands directly before the value, what came before it may not decode',
  },
  { form: 'hexadecimal, in either case', redacted: 'in hexadecimal' },
  { form: 'backwards, also of base64 and hexadecimal', redacted: 'backwards' },
  {
    form: 'in pieces: white space, line ends, quotes and any of ``- _ + / = . , ; : |`` and backquotes between any two characters',
    redacted: 'in one piece; a line end counts only behind six characters, so that lines need not wait',
  },
  { form: 'in UTF-16, either end first', redacted: 'in UTF-16' },
  {
    form: 'base64 of base64, at each alignment, in either alphabet',
    redacted:
      'in base64 of base64, where both begin with the value; of one or two bytes at its ends some bits may stay. Not where the inner one is broken into lines',
  },
  { form: 'several others of base64, hexadecimal, escapes, compression around each other', redacted: 'no' },
  {
    form: 'dumps with offsets and a column of text (`xxd`, `hexdump -C`)',
    redacted: 'no: what is found of it is what stands in one line',
  },
  {
    form: 'over several `data:` lines of one event, or over several events',
    redacted: 'no: an event is passed on before the next line is known',
  },
]
