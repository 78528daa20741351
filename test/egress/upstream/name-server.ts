import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { encodeWithOracle, readWithOracle, RECURSION_DESIRED } from '../dns/oracle.ts'

/** What a question is answered with: addresses, or the name of the error. */
export type Answer = readonly string[] | 'NXDOMAIN' | 'silence'

export interface NameServer extends AsyncDisposable {
  /** `127.0.0.1:PORT`, as `dns.Resolver` takes it. */
  readonly address: string
  /** Questions for IPv4 addresses so far, oldest first. */
  readonly asked: readonly string[]
}

const RECURSION_AVAILABLE = 0x0080

/** A DNS server, by default on loopback. `answer` is asked for each question for IPv4 addresses; there are no others. */
export async function startNameServer(
  answer: (name: string, count: number) => Answer,
  { host, port }: { readonly host: string; readonly port: number } = { host: '127.0.0.1', port: 0 },
): Promise<NameServer> {
  const socket: Socket = createSocket('udp4')
  const asked: string[] = []
  socket.on('message', (bytes, client) => {
    const query = readWithOracle(bytes)
    const [question] = query.questions
    if (question === undefined) return
    if (question.type === 'A') asked.push(question.name)
    const known = question.type === 'A' ? answer(question.name, asked.length) : []
    if (known === 'silence') return
    const code = known === 'NXDOMAIN' ? 3 : 0
    const addresses = known === 'NXDOMAIN' ? [] : known
    const reply = encodeWithOracle({
      type: 'response',
      id: query.id,
      flags: RECURSION_DESIRED | RECURSION_AVAILABLE | code,
      questions: [question],
      answers: addresses.map((data) => ({ type: 'A', name: question.name, ttl: 0, data })),
    })
    socket.send(reply, client.port, client.address)
  })
  socket.bind(port, host)
  await once(socket, 'listening')
  return {
    address: `${host}:${socket.address().port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      socket.close()
      await once(socket, 'close')
    },
  }
}
