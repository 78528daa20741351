/*
 * The dialogue with Firecracker's API, over a real Unix socket: a peer that plays what the program answers, and what one
 * that is broken, slow or taken over could. Requests go out in order, one at a time, and stop at the first that fails.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { configure } from '../../../../src/isolation/microvm/firecracker/api.ts'
import { firecrackerRequests } from '../../../../src/isolation/microvm/firecracker/requests.ts'
import { withFolder } from '../../../support/temporary.ts'
import { failsWith } from '../workload-failure.ts'

const REQUESTS = firecrackerRequests({
  kernel: '/machine/kernel',
  initramfs: '/machine/initramfs',
  vcpus: 1,
  memoryMebibytes: 512,
  image: '/machine/image',
  files: '/machine/files',
  vsock: '/machine/own/vsock',
})

interface Heard {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly body: unknown
}

type Answer = (response: ServerResponse, index: number) => void

const accept: Answer = (response) => void response.writeHead(204, { server: 'Firecracker API' }).end()

async function peer(t: TestContext, answer: Answer): Promise<{ readonly path: string; readonly heard: Heard[] }> {
  const heard: Heard[] = []
  const server = createServer((request, response) => void hear(request, response))
  const hear = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = (await request.toArray()).join('')
    heard.push({ method: request.method, path: request.url, body: JSON.parse(body) as unknown })
    answer(response, heard.length - 1)
  }
  const path = join(await withFolder(t), 'api.sock')
  server.listen(path)
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { path, heard }
}

test('a whole dialogue: every request once, in order, as JSON', async (t) => {
  const { path, heard } = await peer(t, accept)
  await configure(path, REQUESTS)
  assert.deepEqual(
    heard,
    REQUESTS.map((request) => ({ method: 'PUT', ...request })),
  )
})

test('what Firecracker says of a fault is shown, and nothing is asked after it', async (t) => {
  const fault = { fault_message: 'The kernel file cannot be opened:\u001b[2J No such file' }
  const { path, heard } = await peer(t, (response, index) => {
    if (index === 1) response.writeHead(400).end(JSON.stringify(fault))
    else accept(response, index)
  })
  await assert.rejects(
    configure(path, REQUESTS),
    failsWith(
      /^Firecracker answered 400: The kernel file cannot be opened:\\u001b\[2J No such file \(PUT \/boot-source\)$/,
    ),
  )
  assert.equal(heard.length, 2)
})

const BROKEN: readonly (readonly [string, Answer, RegExp])[] = [
  ['an error that is no JSON', (response) => void response.writeHead(500).end('<html>'), /answered 500 \(PUT/],
  [
    'a fault that is no text',
    (response) => void response.writeHead(400).end('{"fault_message":{}}'),
    /answered 400 \(/,
  ],
  ['success of another kind', (response) => void response.writeHead(200).end('{}'), /answered 200 \(PUT/],
  ['an answer without an end', (response) => flood(response), /answered more than any answer has/],
  [
    'a head without an end',
    (response) => void response.writeHead(204, { a: 'x'.repeat(20_000) }).end(),
    /does not answer/,
  ],
  ['a connection that is closed', (response) => void response.socket?.destroy(), /does not answer/],
  ['half of an answer', (response) => halfAnswer(response), /does not answer/],
  ['something that is not HTTP', (response) => void response.socket?.end('nonsense\r\n\r\n'), /does not answer/],
]

function flood(response: ServerResponse): void {
  response.writeHead(400)
  const more = (): void => {
    while (!response.destroyed && response.write('x'.repeat(16_384)));
  }
  response.on('drain', more)
  more()
}

function halfAnswer(response: ServerResponse): void {
  response.writeHead(400, { 'content-length': '100' }).write('{"fault', () => response.socket?.destroy())
}

for (const [name, answer, message] of BROKEN) {
  test(`${name} is a failure that says so`, async (t) => {
    const { path } = await peer(t, answer)
    await assert.rejects(configure(path, REQUESTS), failsWith(message))
  })
}

test('no answer at all ends after the time that there is', async (t) => {
  const { path } = await peer(t, () => undefined)
  await assert.rejects(configure(path, REQUESTS, { patience: 50 }), failsWith(/did not answer within 0.05 s/))
})

test('an answer that trickles ends after the time that there is', async (t) => {
  const { path } = await peer(t, (response) => void response.writeHead(400).write('{'))
  await assert.rejects(configure(path, REQUESTS, { patience: 50 }), failsWith(/did not answer within 0.05 s/))
})

test('the signal ends it with its own reason', async (t) => {
  const stop = new AbortController()
  const { path } = await peer(t, () => stop.abort(new Error('stopped')))
  await assert.rejects(configure(path, REQUESTS, { signal: stop.signal }), /^Error: stopped$/)
})

test('a program that ended before it listened', async (t) => {
  const path = join(await withFolder(t), 'api.sock')
  await assert.rejects(configure(path, REQUESTS), failsWith(/does not answer.*ENOENT/))
})
