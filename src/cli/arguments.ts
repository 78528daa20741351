import { isIP } from 'node:net'
import { parseDuration } from '../policy/duration.ts'
import { isAddress, parseAuthority, parseHostname, type Authority, type Hostname } from '../policy/host.ts'
import { isSecretName } from '../secrets/secret-value.ts'
import { Secret } from '../secrets/secret.ts'
import { isCageName } from '../system/paths.ts'

/** Where to listen; port 0 lets the kernel choose. */
export interface ListenAddress {
  /** An IP address, IPv6 without brackets. */
  readonly host: string
  readonly port: number
}

/** A transparent listener: connections that arrive there were meant for port `meant`. */
export interface TransparentAddress extends ListenAddress {
  /** Absent: whatever port is bound. */
  readonly meant?: number
}

/** `-s KEY` takes the value from the store or the environment; `-s KEY=VALUE` gives it. */
export interface SecretArgument {
  readonly name: string
  readonly value?: Secret
}

/*
 * Parsers of values on the command line. They throw an Error whose message completes `--flag: …`;
 * the value itself is not repeated, it may be a secret.
 */

export function hostArgument(text: string): Hostname {
  const host = parseHostname(text)
  if (text.includes('://')) throw new Error('must be a host name, not a URL')
  if (host === undefined) throw new Error('must be a host name or an address, such as api.example.com')
  return host
}

export function listenArgument(text: string): ListenAddress {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2] ?? ''
  const port = Number(match?.[3])
  const family = match?.[1] === undefined ? 4 : 6
  if (isIP(host) !== family || port > 65535) throw new Error('must be ADDRESS:PORT, such as 127.0.0.1:0 or [::1]:8080')
  return { host, port }
}

/** A port that is reached from outside, and the workload's that it leads to. */
export interface PublishedAddress extends ListenAddress {
  readonly target: Authority
}

export function publishedArgument(text: string): PublishedAddress {
  const [listening = '', leading = '', ...more] = text.split('=')
  const target = parseAuthority(leading)
  if (more.length > 0 || target === undefined || !isAddress(target.host))
    throw new Error('must be ADDRESS:PORT=ADDRESS:PORT, such as 0.0.0.0:20000=10.89.0.2:80')
  return { ...listenArgument(listening), target }
}

/** An IP address, IPv6 without brackets. */
export function addressArgument(text: string): string {
  if (isIP(text) === 0) throw new Error('must be an IP address, such as 10.89.0.11')
  return text
}

export function transparentArgument(text: string): TransparentAddress {
  const match = /^([^=]*)(?:=(\d{1,5}))?$/.exec(text)
  const meant = match?.[2] === undefined ? undefined : Number(match[2])
  if (match?.[1] === undefined || meant === 0 || (meant ?? 1) > 65535) {
    throw new Error('must be ADDRESS:PORT or ADDRESS:PORT=MEANT, such as 127.0.0.1:0=443')
  }
  return meant === undefined ? listenArgument(match[1]) : { ...listenArgument(match[1]), meant }
}

export function secretArgument(text: string): SecretArgument {
  const equals = text.indexOf('=')
  const name = equals === -1 ? text : text.slice(0, equals)
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name))
    throw new Error('must be KEY or KEY=VALUE with a KEY such as ANTHROPIC_API_KEY')
  if (equals === -1) return { name }
  if (equals === text.length - 1) throw new Error(`${name} has an empty value`)
  return { name, value: new Secret(name, text.slice(equals + 1)) }
}

export function cageArgument(text: string): string {
  if (!isCageName(text))
    throw new Error(
      'must be the name of a cage: 1-63 lowercase letters, digits or hyphens, not beginning with a hyphen',
    )
  return text
}

/** The name of a secret. Whatever else stands there is not repeated: it may be the value. */
export function secretNameArgument(text: string): string {
  if (!isSecretName(text)) throw new Error('must be a name such as ANTHROPIC_API_KEY')
  return text
}

/** A number of things: 0 or more. */
export function countArgument(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error('must be a whole number, 0 or more')
  return Number(text)
}

/** In milliseconds. */
export function durationArgument(text: string): number {
  const duration = parseDuration(text)
  if (duration === undefined) throw new Error('must be a time such as 30m, 12h or 7d')
  return duration
}

export function textArgument(text: string): string {
  if (text === '') throw new Error('must not be empty')
  return text
}
