import * as z from 'zod'
import { splitCommand } from './command-words.ts'

/** Where the value of one secret comes from, and from nowhere else. */
export type SecretSource =
  | { readonly kind: 'store' }
  | { readonly kind: 'env'; readonly name: string }
  /** As written: absolute, `~/…`, or relative to the configuration's folder. */
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'command'; readonly argv: readonly [string, ...string[]] }
  /** One that systemd passes to the service. */
  | { readonly kind: 'credential'; readonly name: string }
  /** A file that `systemd-creds encrypt` made; the path as above. */
  | { readonly kind: 'encrypted-credential'; readonly path: string }
  | { readonly kind: 'podman'; readonly name: string }

const MAX_TEXT = 4096

const FORMS = 'env:NAME, file:PATH, cmd:COMMAND, systemd-creds:NAME, podman:NAME or store'

const argument = z
  .string()
  .max(MAX_TEXT)
  .regex(/^[^\0]*$/, 'must not hold NUL')

const commandMapping = z
  .strictObject({
    cmd: z
      .union([argument, z.tuple([argument.min(1)], argument).meta({ description: 'Program and arguments.' })])
      .meta({ description: 'Program and arguments, as a list or as a text that is split into words.' }),
    shell: z.boolean().default(false).meta({ description: 'Whether `cmd`, then a text, is for `/bin/sh -c`.' }),
  })
  .transform(({ cmd, shell }, context): SecretSource => {
    if (shell && typeof cmd !== 'string') return invalid(context, 'must have a text as cmd, for a shell')
    if (shell && cmd === '') return invalid(context, 'names no command')
    if (typeof cmd !== 'string') return { kind: 'command', argv: cmd }
    return shell ? { kind: 'command', argv: ['/bin/sh', '-c', cmd] } : commandFrom(cmd, context)
  })

const sourceText = z
  .string()
  .max(MAX_TEXT)
  .transform((text, context): SecretSource => {
    const colon = text.indexOf(':')
    const rest = text.slice(colon + 1)
    if (text === 'store') return { kind: 'store' }
    switch (text.slice(0, Math.max(0, colon))) {
      case 'env':
        return /^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(rest)
          ? { kind: 'env', name: rest }
          : invalid(context, 'must name a variable after env:, such as env:PROD_API_KEY')
      case 'file':
        return isPath(rest) ? { kind: 'file', path: rest } : invalid(context, `${PATH_FORM} after file:`)
      case 'cmd':
        return commandFrom(rest, context)
      case 'systemd-creds':
        return credentialFrom(rest, context)
      case 'podman':
        return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,252}$/.test(rest)
          ? { kind: 'podman', name: rest }
          : invalid(context, 'must name a secret of Podman after podman:')
      default:
        return invalid(context, `must be ${FORMS}`)
    }
  })

/** `source` of a rule: a text such as `env:NAME`, or a mapping for a command. */
export const secretSource = z.union([sourceText, commandMapping])

const PATH_FORM = 'must name a file, absolute, from ~/ or relative to the configuration,'

function credentialFrom(text: string, context: z.core.$RefinementCtx): SecretSource {
  // systemd.exec(5): the name of a credential is that of a file, in ASCII here.
  if (/^[A-Za-z0-9_.@-]{1,255}$/.test(text) && !/^\.{1,2}$/.test(text)) return { kind: 'credential', name: text }
  if (text.includes('/') && isPath(text)) return { kind: 'encrypted-credential', path: text }
  return invalid(context, 'must name a credential, or a file with a / in its path, after systemd-creds:')
}

function commandFrom(text: string, context: z.core.$RefinementCtx): SecretSource {
  const split = splitCommand(text)
  return split.problem === undefined ? { kind: 'command', argv: split.words } : invalid(context, split.problem)
}

function isPath(text: string): boolean {
  return text !== '' && !/[\0-\x1f\x7f]/.test(text) && !text.endsWith('/') && !/^~(?!\/)/.test(text)
}

function invalid(context: z.core.$RefinementCtx, message: string): never {
  context.issues.push({ code: 'custom', input: context.value, message })
  return z.NEVER
}
