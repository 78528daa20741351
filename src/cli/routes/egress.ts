import {
  addressArgument,
  cageArgument,
  listenArgument,
  publishedArgument,
  textArgument,
  transparentArgument,
  type ListenAddress,
  type PublishedAddress,
  type TransparentAddress,
} from '../arguments.ts'
import { command } from '../command.ts'

export interface EgressFlags {
  readonly config: string
  readonly state: string
  /** Name of the cage; absent: the configuration's. */
  readonly name?: string | undefined
  readonly proxy?: readonly ListenAddress[] | undefined
  readonly transparent?: readonly TransparentAddress[] | undefined
  readonly dns?: readonly ListenAddress[] | undefined
  readonly publish?: readonly PublishedAddress[] | undefined
  /** Path of the audit log; absent: in the state folder. */
  readonly audit?: string | undefined
  /** Folder of the certificate authority; absent: in the state folder. */
  readonly ca?: string | undefined
  /** Folder for what the workload has to trust. */
  readonly trust?: string | undefined
  /** Folder with the values of secrets that are not in the store. */
  readonly values?: string | undefined
  /** Inspectors are the copies that the cage of this name keeps, not the files that the configuration names. */
  readonly recordedInspectors: boolean
  /** IP addresses of the egress, as DNS answers them; absent: where DNS is asked. */
  readonly answer?: readonly string[] | undefined
}

export const egressRoute = command<EgressFlags>({
  docs: {
    brief: 'Run the egress alone: proxy, DNS, inspection, audit',
    fullDescription: [
      'Prints one JSON line on standard output when it serves; everything else goes to standard error.',
      'SIGHUP reads the configuration again, SIGTERM drains and ends it with 0.',
    ].join('\n'),
    customUsage: [
      '-c FILE --state DIR [--name NAME] [--proxy HOST:PORT]... [--transparent HOST:PORT[=MEANT]]... [--dns HOST:PORT]... [--answer ADDRESS]... [--publish HOST:PORT=ADDRESS:PORT]... [--ca DIR] [--trust DIR] [--values DIR] [--recorded-inspectors] [--audit FILE]',
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
      name: {
        kind: 'parsed',
        parse: cageArgument,
        optional: true,
        placeholder: 'NAME',
        brief: "Name of the cage (default: the configuration's)",
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
      publish: {
        kind: 'parsed',
        parse: publishedArgument,
        variadic: true,
        optional: true,
        placeholder: 'HOST:PORT=ADDRESS:PORT',
        brief: "Listen for requests from outside to a port of the workload's; may be repeated",
      },
      audit: {
        kind: 'parsed',
        parse: textArgument,
        optional: true,
        placeholder: 'FILE',
        brief: 'Audit log (default: audit.jsonl in DIR)',
      },
      answer: {
        kind: 'parsed',
        parse: addressArgument,
        variadic: true,
        optional: true,
        placeholder: 'ADDRESS',
        brief: 'What DNS answers for allowed names (default: where it listens)',
      },
      ca: {
        kind: 'parsed',
        parse: textArgument,
        optional: true,
        placeholder: 'DIR',
        brief: 'Folder of the certificate authority (default: ca in the state folder)',
      },
      trust: {
        kind: 'parsed',
        parse: textArgument,
        optional: true,
        placeholder: 'DIR',
        brief: 'Write the public certificate there, in every form that programs read',
      },
      recordedInspectors: {
        kind: 'boolean',
        withNegated: false,
        default: false,
        brief: 'Run the copies of inspectors that cage NAME keeps, each as it is on record',
      },
      values: {
        kind: 'parsed',
        parse: textArgument,
        optional: true,
        placeholder: 'DIR',
        brief: 'Store with the values of secrets that have another source; no source is asked then',
      },
    },
    aliases: { c: 'config' },
  },
  load: async () => (await import('../commands/egress.ts')).egress,
})
