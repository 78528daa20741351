import type { SecretSource } from '../config/schema-secret-source.ts'
import { CageError } from '../errors.ts'

/** A source as messages name it: without the arguments of a command. */
export function sourceName(source: SecretSource): string {
  switch (source.kind) {
    case 'store':
      return 'store'
    case 'env':
      return `env:${source.name}`
    case 'file':
      return `file:${source.path}`
    case 'command':
      return `cmd:${source.argv[0]}`
    case 'credential':
      return `systemd-creds:${source.name}`
    case 'encrypted-credential':
      return `systemd-creds:${source.path}`
    case 'podman':
      return `podman:${source.name}`
  }
}

/** Throws CageError `secret_unavailable`. */
export function unavailable(name: string, source: SecretSource, problem: string, cause?: unknown): never {
  throw new CageError('secret_unavailable', `secret ${name}, source ${sourceName(source)}: ${problem}`, { cause })
}
