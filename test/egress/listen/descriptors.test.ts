/**
 * A workload that opens connections until no descriptor is left ends neither the listeners that the egress opened nor
 * those it was handed: with the connections gone, the next one is served.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { test } from 'node:test'

const SERVER = `
import { createServer } from 'node:net'
import { boundPort, listen } from ${JSON.stringify(import.meta.resolve('../../../src/egress/listen/listeners.ts'))}
const handed = createServer()
await new Promise((resolve) => handed.listen(0, '127.0.0.1', resolve))
const accept = (socket) => socket.on('error', () => {}).on('data', () => socket.end('served'))
const own = await listen({ host: '127.0.0.1', port: 0 }, accept)
await listen({ server: handed }, accept)
console.log([own, handed].map(boundPort).join(' '))
`

test('connections until no descriptor is left', async (t) => {
  const child = spawn(
    'sh',
    ['-c', 'ulimit -n 64; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', SERVER],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  t.after(() => child.kill('SIGKILL'))
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  for (const port of line.split(' ').map(Number)) {
    const sockets = Array.from({ length: 100 }, () => connect(port, '127.0.0.1').on('error', () => {}))
    await Promise.all(
      sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))),
    )
    const closed = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    for (const socket of sockets) socket.destroy()
    await Promise.all(closed)
    assert.equal(await ask(port), 'served')
  }
  assert.equal(child.exitCode, null)
})

/** Those that came before may be let go of only now. */
async function ask(port: number): Promise<string> {
  for (;;) {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    let answer = ''
    socket.on('data', (chunk) => (answer += chunk)).once('connect', () => socket.write('?'))
    await new Promise((resolve) => socket.once('close', resolve))
    if (answer !== '') return answer
  }
}
