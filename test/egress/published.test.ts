/**
 * A port of the workload's that is reached from outside: requests lead to it and nowhere else, whatever they name; they
 * are looked into and recorded as inbound; no secret goes in; and the workload cannot pass for somebody outside.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { startEgress, type EgressProcess } from '../support/egress-process.ts'

test('a request arrives with the Host that its client named, and is recorded as inbound', async (t) => {
  const { egress, agent } = await publish(t)
  const response = await fetch(`http://${egress.published[0]}/path?x=1`, { method: 'POST', body: 'hello' })
  assert.deepEqual([response.status, await response.text()], [200, 'hello'])
  assert.deepEqual([agent.requests[0]?.url, agent.requests[0]?.headers.host], ['/path?x=1', egress.published[0]])
  const [record] = await egress.audit()
  assert.deepEqual(
    [record?.direction, record?.decision, record?.host, record?.port, record?.path],
    ['inbound', 'allowed', '127.0.0.1', agent.port, '/path?x=1'],
  )
})

test('what is looked for in requests is looked for in these too', async (t) => {
  const { egress, agent } = await publish(t)
  const body = `key ${['sk', 'ant', 'api03', 'abcdefghijklmnopqrstuvwxyz0123456789'].join('-')}`
  const response = await fetch(`http://${egress.published[0]}/`, { method: 'POST', body })
  assert.equal(response.status, 403)
  assert.equal(agent.requests.length, 0)
  assert.deepEqual(
    (await egress.audit()).map(({ direction, decision }) => [direction, decision]),
    [['inbound', 'blocked']],
  )
})

test('it leads to the one port: other hosts, other forms and other protocols do not get past it', async (t) => {
  const { egress, agent } = await publish(t)
  for (const text of [
    'GET http://elsewhere.test/ HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n',
    'CONNECT elsewhere.test:443 HTTP/1.1\r\nHost: elsewhere.test:443\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n',
  ])
    assert.match(await exchange(egress, text), /^HTTP\/1\.1 4\d\d /, text)
  assert.equal(await exchange(egress, '\x16\x03\x01\x00\x05hello'), '')
  assert.equal(agent.requests.length, 0)
})

test('messages of a WebSocket go both ways', async (t) => {
  const { egress } = await publish(t)
  const socket = new WebSocket(`ws://${egress.published[0]}/socket`)
  await once(socket, 'open')
  socket.send('ping')
  assert.equal(String((await once(socket, 'message'))[0]), 'echo ping')
  socket.close()
  await once(socket, 'close')
  const record = await egress.record(({ protocol }) => protocol === 'websocket')
  assert.equal(record.direction, 'inbound')
})

test('a placeholder from outside stays one', async (t) => {
  const { egress } = await publish(t, {
    secret_injection: [{ env: 'KEY', placeholder: 'placeholder-of-key', inject_to: ['*'] }],
  })
  const response = await fetch(`http://${egress.published[0]}/`, { method: 'POST', body: 'placeholder-of-key' })
  assert.equal(await response.text(), 'placeholder-of-key')
})

test('by an address that the workload can reach, nobody gets in', async (t) => {
  const agent = await startAgent(t)
  const args = ['--proxy', '127.0.0.2:0', '--publish', `0.0.0.0:0=127.0.0.1:${agent.port}`]
  const egress = await startEgress(t, '', { args })
  const port = egress.published[0]?.split(':').at(-1)
  await assert.rejects(fetch(`http://127.0.0.2:${port}/`))
  assert.equal((await fetch(`http://127.0.0.3:${port}/`)).status, 200)
  assert.equal(agent.requests.length, 1)
})

test('what forwards connections beside the egress may choose the address that the workload can reach', async (t) => {
  const agent = await startAgent(t)
  const egress = await startEgress(t, '', {
    args: ['--proxy', '127.0.0.2:0', '--publish', `0.0.0.0:0=127.0.0.1:${agent.port}`],
  })
  const port = Number(egress.published[0]?.split(':').at(-1))
  const request = get({ host: '127.0.0.2', port, localAddress: '127.0.0.2', agent: false })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  assert.equal(response.resume().statusCode, 200)
})

interface Agent {
  readonly port: number
  readonly requests: readonly IncomingMessage[]
}

/** The workload's server: answers with the body it gets. */
async function startAgent(t: TestContext): Promise<Agent> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    request.pipe(response)
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.on('message', (data: Buffer) => socket.send(`echo ${data.toString()}`)))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, requests }
}

async function publish(
  t: TestContext,
  config: Readonly<Record<string, unknown>> = {},
): Promise<{ readonly egress: EgressProcess; readonly agent: Agent }> {
  const agent = await startAgent(t)
  const egress = await startEgress(t, config, {
    // The explicit proxy listens on an address of its own, as in a container.
    args: ['--proxy', '127.0.0.2:0', '--publish', `127.0.0.3:0=127.0.0.1:${agent.port}`],
    env: { KEY: 'a-real-value-of-the-key' },
  })
  return { egress, agent }
}

/** What comes back for some bytes until the connection ends or is silent after an answer. */
async function exchange(egress: EgressProcess, text: string): Promise<string> {
  const [host, port] = (egress.published[0] ?? '').split(':')
  const socket = connect({ host: host ?? '', port: Number(port) })
  socket.on('error', () => {})
  socket.write(text, 'latin1')
  const [chunk] = (await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => [])])) as [Buffer?]
  socket.destroy()
  return chunk?.toString('latin1') ?? ''
}
