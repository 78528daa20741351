import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { CageError } from '../../errors.ts'

/** Where to listen: an address of this host (port 0 lets the kernel choose), or a server that listens already. */
export type ListenSource = { readonly host: string; readonly port: number } | { readonly server: Server }

/** Opens a listener and hands each connection to `accept`. Throws `listen_failed` with the address and the reason. */
export async function listen(source: ListenSource, accept: (socket: Socket) => void): Promise<Server> {
  if ('server' in source) {
    source.server.on('connection', accept).on('error', () => {}) // As below.
    return source.server
  }
  const server = createServer(accept)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, source)))
    server.listen({ host: source.host, port: source.port }, resolve)
  })
  server.on('error', () => {}) // Accepting failed (out of descriptors, say): the next connection may fare better.
  return server
}

export function boundPort(server: Server): number {
  return (server.address() as AddressInfo).port
}

/** `127.0.0.1:43121`, `[::1]:43121`. */
export function boundText(address: { readonly address: string; readonly port: number }): string {
  return address.address.includes(':') ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`
}

function listenError(error: NodeJS.ErrnoException, { host, port }: { host: string; port: number }): CageError {
  const where = boundText({ address: host, port })
  switch (error.code) {
    case 'EADDRINUSE':
      return new CageError('listen_failed', `cannot listen on ${where}: the port is in use`, {
        hint: 'Choose another port, or 0 for a free one.',
        cause: error,
      })
    case 'EACCES':
      return new CageError('listen_failed', `cannot listen on ${where}: not permitted`, {
        hint: 'Ports below 1024 need a capability; choose a higher one.',
        cause: error,
      })
    default:
      return new CageError('listen_failed', `cannot listen on ${where}: ${error.code ?? error.message}`, {
        cause: error,
      })
  }
}
