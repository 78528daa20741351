import { SECRET_PATTERNS } from '../../src/egress/inspect/patterns/table.ts'
import { pageHead, table } from './markdown.ts'

export function patternsPage(): string {
  const rows = SECRET_PATTERNS.map(({ name, provider, domains, isGuess }) => [
    `\`${name}\``,
    provider,
    domains.map((domain) => `\`${domain}\``).join(', ') || 'nowhere',
    isGuess ? 'flag' : 'as `secrets.action` says',
  ])
  return [
    pageHead('Secret patterns', 'src/egress/inspect/patterns/'),
    'What the `secrets` inspector looks for in the URL, the host, the header fields and the body of requests, and in messages:',
    'as they were sent, and with encodings undone (`Content-Encoding`, charsets, percent-encoding, backslash escapes,',
    'HTML entities, base64, base32, hexadecimal, quoted-printable, uuencode, dumps, lists of numbers, pieces of one length, invisible and full-width',
    'characters, compressed streams,',
    'zip archives and git packs), as deep as `decoding.max_depth` says.',
    'A credential may go to the hosts of its provider and below them; `secrets.allow_to_domains` puts others in their place.',
    'Where several are found, the first in this table is named: `secret detected: NAME`. In the midst of a long run of base64,',
    'or of one long random word such as a signature, formats that begin with six characters or fewer occur by chance: there a',
    'hit is a flag, unless a checksum in it holds (GitHub, npm).',
    '',
    table(['name', 'issued by', 'may go to', 'a hit'], rows),
  ].join('\n')
}
