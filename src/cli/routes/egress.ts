import {
  listenArgument,
  textArgument,
  transparentArgument,
  type ListenAddress,
  type TransparentAddress,
} from '../arguments.ts'
import { command } from '../command.ts'

export interface EgressFlags {
  readonly config: string
  readonly state: string
  readonly proxy?: readonly ListenAddress[] | undefined
  readonly transparent?: readonly TransparentAddress[] | undefined
  readonly dns?: readonly ListenAddress[] | undefined
  /** Path of the audit log; absent: in the state folder. */
  readonly audit?: string | undefined
}

export const egressRoute = command<EgressFlags>({
  docs: {
    brief: 'Run the egress alone: proxy, DNS, inspection, audit',
    fullDescription: [
      'Prints one JSON line on standard output when it serves; everything else goes to standard error.',
      'SIGHUP reads the configuration again, SIGTERM drains and ends it with 0.',
    ].join('\n'),
    customUsage: [
      '-c FILE --state DIR [--proxy HOST:PORT]... [--transparent HOST:PORT[=MEANT]]... [--dns HOST:PORT]... [--audit FILE]',
    ],
  },
  parameters: {
    flags: {
      config: { kind: 'parsed', parse: textArgument, placeholder: 'FILE', brief: 'Configuration of the cage' },
      state: {
        kind: 'parsed',
        parse: textArgument,
        placeholder: 'DIR',
        brief: 'Folder for the certificate authority and the audit log',
      },
      proxy: {
        kind: 'parsed',
        parse: listenArgument,
        variadic: true,
        optional: true,
        placeholder: 'HOST:PORT',
        brief: 'Listen as explicit proxy (HTTP, CONNECT, SOCKS5); port 0 takes a free one',
      },
      transparent: {
        kind: 'parsed',
        parse: transparentArgument,
        variadic: true,
        optional: true,
        placeholder: 'HOST:PORT[=MEANT]',
        brief: 'Listen for captured connections, meant for port MEANT (default: the port bound); may be repeated',
      },
      dns: {
        kind: 'parsed',
        parse: listenArgument,
        variadic: true,
        optional: true,
        placeholder: 'HOST:PORT',
        brief: 'Answer DNS, UDP and TCP',
      },
      audit: {
        kind: 'parsed',
        parse: textArgument,
        optional: true,
        placeholder: 'FILE',
        brief: 'Audit log (default: audit.jsonl in DIR)',
      },
    },
    aliases: { c: 'config' },
  },
  load: async () => (await import('../commands/egress.ts')).egress,
})
