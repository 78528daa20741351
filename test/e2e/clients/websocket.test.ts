/**
 * WebSocket clients in a cage: Node's own, and `ws` with a header. The upgrade gets the secret, messages pass both ways,
 * text and binary, and what the server echoes of the secret comes back as the placeholder.
 */
import assert from 'node:assert/strict'
import { cp } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { WebSocketServer, type RawData } from 'ws'
import type { Internet } from '../../support/internet.ts'
import { hiddenRuntime } from '../../support/requires.ts'
import { withoutCages } from '../support/cage.ts'
import { WITHOUT_PROXY } from '../support/session.ts'
import { PLACEHOLDER, SECRET, SECRET_NAME, World } from '../support/world.ts'

/** Says `one`, then `two` once that is answered, and prints what it heard. `WebSocket` is Node's or that of `ws`. */
const TALK = `
  socket.binaryType = 'arraybuffer'
  const heard = []
  socket.onopen = () => socket.send('one')
  socket.onmessage = ({ data }) => {
    heard.push(typeof data === 'string' ? data : [...new Uint8Array(data)])
    if (heard.length === 1) socket.send(new Uint8Array([1, 2, 255]))
    if (heard.length === 2) socket.close(4001, 'enough')
  }
  socket.onerror = (event) => console.error(event.message)
  socket.onclose = ({ code, reason }) => console.log(JSON.stringify({ heard, code, reason }))
`
const BUILT_IN = `const socket = new WebSocket('wss://' + process.argv.at(-1) + '/chat?token=' + process.env.API_TOKEN)${TALK}`
const LIBRARY = `
  const { WebSocket } = require('ws')
  const headers = { authorization: 'Bearer ' + process.env.API_TOKEN }
  const socket = new WebSocket('wss://' + process.argv.at(-1) + '/chat', { headers })${TALK}`

const CASES = [
  { name: "Node's own, by the proxy", host: 'own.test', program: BUILT_IN, env: {} },
  { name: "Node's own, captured", host: 'own-past.test', program: BUILT_IN, env: WITHOUT_PROXY },
  { name: 'ws, which knows of no proxy', host: 'library.test', program: LIBRARY, env: {} },
] as const

describe('WebSocket', { skip: withoutCages }, () => {
  let world: World
  const upgrades: string[] = []

  before(async () => {
    world = await World.open(
      async (internet) => {
        for (const { host } of CASES) await startServer(internet, host, upgrades)
      },
      {
        secret_injection: [{ env: SECRET_NAME, placeholder: PLACEHOLDER, inject_to: ['test'], inject_body: true }],
      },
      async ({ project }) => {
        const found = dirname(createRequire(import.meta.url).resolve('ws/package.json'))
        await cp(found, join(project, 'node_modules/ws'), { recursive: true })
      },
    )
  })
  after(() => world.close())

  for (const { name, host, program, env } of CASES) {
    // The system's own Node may be one without a WebSocket.
    test(name, { skip: hiddenRuntime() }, async () => {
      upgrades.length = 0
      const { code, stdout, stderr } = await world.cage.run(['node', '-e', program, host], { env })
      assert.equal(code, 0, stderr)
      const answer = JSON.parse(stdout) as { heard: unknown[]; code: number; reason: string }
      assert.deepEqual(answer.heard.slice(1), [[255, 2, 1]])
      assert.match(String(answer.heard[0]), new RegExp(`^one from .*${PLACEHOLDER}`))
      assert.ok(!stdout.includes(SECRET))
      assert.equal(upgrades.length, 1)
      assert.ok(upgrades[0]?.includes(SECRET))
      // On record once both sides have closed, which the client does not wait for.
      const record = await world.host.record(({ host: to, protocol }) => to === host && protocol === 'websocket')
      assert.deepEqual([record.decision, record.status, record.secrets_injected], ['allowed', 101, [SECRET_NAME]])
    })
  }
})

/** Answers text with what it was asked by, and bytes in reverse. */
async function startServer(internet: Internet, host: string, upgrades: string[]): Promise<void> {
  const server = createServer(internet.authority.issue(host))
  new WebSocketServer({ server }).on('connection', (socket, request: IncomingMessage) => {
    const asked = `${request.url} ${request.headers.authorization}`
    upgrades.push(asked)
    socket.on('message', (data: RawData, isBinary) => {
      const bytes = data as Buffer
      socket.send(isBinary ? bytes.toReversed() : `${bytes.toString()} from ${asked}`)
    })
  })
  await internet.listen(host, 443, server)
}
