import { pattern, prefixed, sample } from './build.ts'
import type { SecretPattern } from './pattern.ts'

/** Formats that no one provider issues. They may go nowhere without being named in `allow_to_domains`. */
export const GENERAL_PATTERNS: readonly SecretPattern[] = [
  // RFC 7468, RFC 4880 section 6.2, OpenSSH's PROTOCOL.key. In a form a space is `+`.
  prefixed(['private_key', 'PEM, OpenSSH, PGP', []], '-----BEGIN', {
    regex: /-----BEGIN[ +](?:[A-Z0-9]{1,12}[ +]){0,3}PRIVATE[ +]KEY(?:[ +]BLOCK)?-----/,
    positive: `-----BEGIN OPENSSH ${'PRIVATE'} KEY-----`,
    negative: '-----BEGIN PUBLIC KEY-----',
  }),
  prefixed(['putty_private_key', 'PuTTY', []], 'PuTTY-User-Key-File-', {
    regex: /PuTTY-User-Key-File-[1-3]:/,
    positive: `PuTTY-User-${'Key-File'}-3: ssh-ed25519`,
    negative: 'PuTTY-User-Key-File-Format',
  }),
  prefixed(['openssh_private_key_blob', 'OpenSSH', []], 'b3BlbnNzaC1rZXktdjE', {
    regex: /b3BlbnNzaC1rZXktdjE[A-Za-z0-9+/\r\n\\]{60,4096}/,
    positive: `b3BlbnNzaC1r${'ZXktdjE'}AAAAABG5vbmU${sample(80)}`,
    negative: `b3BlbnNzaC1r${'ZXktdjE'}`,
  }),
  pattern(
    ['azure_jwt', 'JSON Web Token (RFC 7519)', []],
    { kind: 'inner', literals: ['.eyJ'], start: 'eyJ', least: 15, back: 4096 },
    {
      regex:
        /eyJ[A-Za-z0-9_-]{12,4096}\.eyJ[A-Za-z0-9_-]{20,4096}\.[A-Za-z0-9_-]{20,4096}|eyJ[A-Za-z0-9_-]{50,4096}\.eyJ[A-Za-z0-9_-]{50,4096}/,
      positive: `ey${'J'}${sample(60)}.ey${'J'}${sample(120)}.${sample(43)}`,
      negative: `ey${'J'}${sample(60)}.${sample(60)}`,
    },
  ),
  ...[
    ['postgres', ['postgres://', 'postgresql://', 'cockroachdb://', 'redshift://']],
    ['mysql', ['mysql://', 'mariadb://', 'mysql2://']],
    ['mongodb', ['mongodb://', 'mongodb+srv://']],
    ['redis', ['redis://', 'rediss://', 'valkey://']],
    ['amqp', ['amqp://', 'amqps://']],
    ['mssql', ['mssql://', 'sqlserver://', 'clickhouse://', 'oracle://']],
    [
      'mail_or_file',
      ['smtp://', 'smtps://', 'ftp://', 'ftps://', 'sftp://', 'ldap://', 'ldaps://', 'imap://', 'imaps://'],
    ],
  ].map(([name, schemes]) =>
    prefixed(
      [`${name as string}_url`, 'Connection URL with a password (RFC 3986 section 3.2.1)', []],
      schemes as readonly string[],
      {
        regex:
          /[a-z][a-z0-9+]{1,15}:\/\/[^\s:@/"'<>\0]{0,128}:(?!\*+@|<|\$\{|\{\{|%s@|password@|pass@|secret@|\[)[^\s@/"'<>\0]{3,256}@[A-Za-z0-9[_]/,
        positive: `${(schemes as readonly string[])[0]}app:${sample(16)}@db.example.test/main`,
        negative: `${(schemes as readonly string[])[0]}localhost:5432/main`,
      },
    ),
  ),
  {
    ...prefixed(
      ['generic_secret', 'An assignment of something random to a name such as api_key, token or password', []],
      [
        'ecret',
        'ECRET',
        'assw',
        'ASSW',
        'oken',
        'OKEN',
        'pi_key',
        'PI_KEY',
        'piKey',
        'pi-key',
        'ess_key',
        'ESS_KEY',
        'essKey',
        'redential',
      ],
      {
        regex:
          /(?:ecret|ECRET|assw(?:or)?d|ASSW(?:OR)?D|oken|OKEN|(?:pi|ess)[_-]?[kK]ey|(?:PI|ESS)_KEY|redential)[A-Za-z_]{0,16}["'\\]{0,4}\s{0,2}(?:[:=]|=>|:=)\s{0,2}["'\\]{0,4}(?<value>[A-Za-z0-9+/=_.~-]{20,200})/,
        positive: `api_${'key'} = "${sample(40)}"`,
        negative: 'next_token = getNextTokenFromTheStreamOfTokens',
      },
    ),
    isGuess: true,
    confirm: looksRandom,
  },
]

/** Letters of both kinds, or many, with digits among them, and none repeated much: 3.7 bits a character or more. */
function looksRandom(text: string): boolean {
  const value = text.slice(text.search(/[:=]/)).replace(/^[:=>\s"'\\]+/, '')
  if (!/[0-9][^0-9]*[0-9]/.test(value)) return false
  const digits = value.replace(/[^0-9]/g, '').length
  if (digits < 2 || digits === value.length || /^[a-f0-9-]{36}$/.test(value)) return false
  const counts = new Map<string, number>()
  for (const character of value) counts.set(character, (counts.get(character) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= (count / value.length) * Math.log2(count / value.length)
  return bits >= 3.7
}
