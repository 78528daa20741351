import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { CageError } from '../../errors.ts'

/** sun_path of unix(7), with its NUL. */
const LONGEST_PATH = 107

/**
 * Sockets of ours, a file for each port of a machine. The VMM comes to us, once for each: a path that it made itself could
 * lead us to any other socket of this host's by the time that we open it.
 */
export class PortSockets implements Disposable {
  readonly #servers: readonly Server[]
  readonly #sockets = new Map<string, Promise<Socket>>()
  readonly #open = new Set<Socket>()

  private constructor(servers: ReadonlyMap<string, Server>) {
    this.#servers = [...servers.values()]
    for (const [name, server] of servers) {
      this.#sockets.set(name, new Promise((resolve) => server.once('connection', resolve)))
      server.once('connection', (socket) => {
        this.#open.add(socket)
        socket.on('error', () => undefined) // Its end, which comes too, is what counts.
        server.close()
      })
    }
  }

  /** `fileOf`: the name of a port's file, by the place of the port; absent: the port's own. */
  static async listen(
    folder: string,
    names: readonly string[],
    fileOf?: (index: number) => string,
  ): Promise<PortSockets> {
    const servers = new Map<string, Server>()
    try {
      for (const [index, name] of names.entries()) {
        const path = join(folder, fileOf?.(index) ?? name)
        if (Buffer.byteLength(path) > LONGEST_PATH) {
          throw new CageError('host_unsupported', `${folder} is too long a path for sockets`, {
            hint: 'Set TMPDIR to a shorter one.',
          })
        }
        const server = createServer({ pauseOnConnect: true })
        servers.set(name, server)
        server.listen(path)
        await once(server, 'listening')
      }
    } catch (error) {
      for (const server of servers.values()) server.close()
      throw error
    }
    return new PortSockets(servers)
  }

  /** The connection of a port. It waits until somebody reads it. */
  socket(name: string): Promise<Socket> {
    return this.#sockets.get(name) ?? Promise.reject(new RangeError(`no port ${name}`))
  }

  [Symbol.dispose](): void {
    for (const server of this.#servers) server.close()
    for (const socket of this.#open) socket.destroy()
  }
}
