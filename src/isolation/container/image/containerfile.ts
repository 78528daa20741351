import type { ImageConfig } from './contents.ts'
import type { TarEntry } from './tar.ts'

/** Node on Debian 12, for where this host's own cannot be used. Pinned: the tag may move, the digest does not. */
export const FALLBACK_BASE =
  'docker.io/library/node:24-bookworm-slim@sha256:a9f5f7c91a432850b2a8a7797adf5eadb6c733ceed61167806cee7ea7fbc29df'

/** A build context for `podman build -`: our program below `files/`, laid over a base that has Node. */
export function buildContext(entries: readonly TarEntry[], config: ImageConfig): readonly TarEntry[] {
  const bytes = Buffer.from(containerfile(config))
  const below = entries
    .filter(({ path }) => isOurs(path))
    .map((entry): TarEntry => ({ ...entry, path: `files/${entry.path}` }))
  return [
    { kind: 'directory', path: 'files', mode: 0o755 },
    { kind: 'file', path: 'Containerfile', mode: 0o644, size: bytes.length, read: () => [bytes] },
    ...below,
  ]
}

export function containerfile({ entrypoint, user, environment }: ImageConfig): string {
  const [, ...rest] = entrypoint
  return [
    `FROM ${FALLBACK_BASE}`,
    'COPY files/ /',
    // The base keeps Node elsewhere; health checks and the entrypoint name one place.
    'RUN ln -sf /usr/local/bin/node /usr/bin/node',
    ...Object.entries(environment).map(([name, value]) => `ENV ${name}=${JSON.stringify(value)}`),
    `USER ${user}`,
    'WORKDIR /',
    `ENTRYPOINT ${JSON.stringify(['/usr/bin/node', ...rest])}`,
    'CMD []',
    '',
  ].join('\n')
}

/** The base's own accounts and folders stay. */
function isOurs(path: string): boolean {
  return ['opt', 'etc', 'etc/ssl', 'etc/ssl/certs', 'var', 'var/lib'].includes(path) || OWN.test(path)
}

const OWN = /^(?:opt|etc\/agentcage|var\/lib\/agentcage)(?:\/|$)|^etc\/ssl\/certs\/ca-certificates\.crt$/
