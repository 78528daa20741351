import { FORMS, PLACES } from '../../src/egress/secrets/coverage.ts'
import { pageHead, table } from './markdown.ts'

export function secretsPage(): string {
  return [
    pageHead('Secrets', 'src/egress/secrets/coverage.ts'),
    'The workload holds placeholders. What `secret_injection` says about a secret: [configuration](configuration.md).',
    '',
    '## Where',
    '',
    'On its way to a host in `inject_to` - by https or wss unless the entry says http, on its ports, with its methods, to its',
    'paths - a placeholder becomes the value in some places and stays a placeholder in the others; the audit record names',
    'both (`secrets_injected`, `secrets_not_injected`). On its way back, from any host, a value becomes the placeholder',
    '(`secrets_redacted`).',
    '',
    table(
      ['place', 'placeholder replaced', 'value redacted'],
      PLACES.map(({ place, injected, redacted }) => [place, injected, redacted]),
    ),
    '## In which form',
    '',
    'On its way to any other host a placeholder (`placeholder NAME sent to unauthorized domain HOST`) and a value',
    '(`literal secret value NAME found in outbound request to HOST`) stop the request, critical, in the URL, the host, header',
    'fields, the body and messages, in each of these forms, and in what they become when the layers of encoding or',
    'compression are undone, four of them unless `decoding` says otherwise. To a host in `inject_to` a value may go; the record shows the placeholder.',
    '',
    table(
      ['form', 'redacted in responses, and replaced by the placeholder'],
      FORMS.map(({ form, redacted }) => [form, redacted]),
    ),
    'A value of fewer than eight bytes is looked for as it is and with common escapes only: anything else would be found by',
    'chance. When a value changes, the old one stays redacted and blocked until the egress ends, and so do tokens that',
    'transforms got. Of 1024 such values those that have ended make room for more, which a message says; where none has, what',
    'would be one more is refused: a reload, or the request that needs the token.',
    '',
  ].join('\n')
}
