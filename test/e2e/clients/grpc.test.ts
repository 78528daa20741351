/**
 * gRPC in a cage, with @grpc/grpc-js: unary calls and a bidirectional stream in which each side waits for the other, by
 * the proxy and captured. Metadata carries the placeholder, trailers come back, and failures keep their status.
 */
import assert from 'node:assert/strict'
import { cp } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createRequire } from 'node:module'
import { after, before, describe, test } from 'node:test'
import {
  Metadata,
  Server,
  ServerCredentials,
  status,
  type handleBidiStreamingCall,
  type handleUnaryCall,
} from '@grpc/grpc-js'
import type { Internet } from '../../support/internet.ts'
import { withoutCages, type CageHost } from '../support/cage.ts'
import { WITHOUT_PROXY } from '../support/session.ts'
import { PLACEHOLDER, SECRET, SECRET_NAME, World } from '../support/world.ts'

/** argv: how to call, where. Prints one JSON document. */
const CLIENT = `
const grpc = require('@grpc/grpc-js')
const [kind, address] = process.argv.slice(2)
const text = { serialize: (value) => Buffer.from(value), deserialize: (bytes) => bytes.toString() }
const method = (path, stream) => ({
  path, requestStream: stream, responseStream: stream, requestSerialize: text.serialize,
  requestDeserialize: text.deserialize, responseSerialize: text.serialize, responseDeserialize: text.deserialize,
})
const Client = grpc.makeGenericClientConstructor({
  say: method('/e2e.Echo/Say', false), talk: method('/e2e.Echo/Talk', true), fail: method('/e2e.Echo/Fail', false),
}, 'Echo')
const client = new Client(address, grpc.credentials.createSsl())
const metadata = new grpc.Metadata()
metadata.set('authorization', 'Bearer ' + process.env.API_TOKEN)
const finish = (result) => { console.log(JSON.stringify(result)); client.close() }
if (kind === 'talk') {
  const call = client.talk(metadata)
  const heard = []
  const words = ['one', 'two', 'three']
  let trailer
  call.write(words.shift())
  call.on('data', (word) => {
    heard.push(word)
    const next = words.shift()
    next === undefined ? call.end() : call.write(next)
  })
  call.on('status', ({ code, metadata }) => finish({ heard, code, trailer: metadata.get('x-count') }))
  call.on('error', () => {})
} else {
  const call = client[kind]('hello', metadata, (error, answer) => {
    if (error) finish({ code: error.code, details: error.details })
    else finish({ answer })
  })
}
`

/** Each test has a host of its own. */
const HOSTS = ['say.test', 'say-past.test', 'talk.test', 'talk-past.test', 'fail.test']

describe('gRPC', { skip: withoutCages }, () => {
  let world: World
  let server: Server
  const authorizations: string[] = []

  before(async () => {
    world = await World.open(
      async (internet) => {
        server = await startServer(internet, authorizations)
      },
      {},
      installClient,
    )
  })
  after(async () => {
    await world.close()
    server.forceShutdown()
  })

  const call = async (kind: string, host: string, env = {}): Promise<unknown> => {
    authorizations.length = 0
    const { code, stdout, stderr } = await world.cage.run(['node', 'client.cjs', kind, `${host}:443`], { env })
    assert.equal(code, 0, stderr)
    assert.deepEqual(authorizations, [`Bearer ${SECRET}`])
    const [record, ...more] = await world.recordsOf(host)
    assert.deepEqual(more, [])
    assert.ok(record)
    assert.deepEqual(
      [record.protocol, record.decision, record.method, record.status, record.secrets_injected],
      ['grpc', 'allowed', 'POST', 200, [SECRET_NAME]],
    )
    return JSON.parse(stdout)
  }

  for (const [how, suffix, env] of [
    ['by the proxy', '', {}],
    ['captured', '-past', WITHOUT_PROXY],
  ] as const) {
    test(`a unary call, ${how}`, async () => {
      assert.deepEqual(await call('say', `say${suffix}.test`, env), { answer: `hello from Bearer ${PLACEHOLDER}` })
    })

    test(`a bidirectional stream, each side waiting for the other, ${how}`, async () => {
      const expected = { heard: ['ONE', 'TWO', 'THREE'], code: status.OK, trailer: ['3'] }
      assert.deepEqual(await call('talk', `talk${suffix}.test`, env), expected)
    })
  }

  test('a call that fails keeps its status', async () => {
    const expected = { code: status.FAILED_PRECONDITION, details: 'not today' }
    assert.deepEqual(await call('fail', 'fail.test'), expected)
  })

  test('a host that is not listed is refused', async () => {
    const { stdout } = await world.cage.run(['node', 'client.cjs', 'say', 'evil.example:443'], { env: WITHOUT_PROXY })
    assert.equal((JSON.parse(stdout) as { code: number }).code, status.PERMISSION_DENIED)
  })
})

/** The library without its sources and types, where the client in the project finds it. */
async function installClient(host: CageHost): Promise<void> {
  await host.write('client.cjs', CLIENT)
  const require = createRequire(import.meta.url)
  for (const name of ['@grpc/grpc-js', '@js-sdsl/ordered-map']) {
    const found = dirname(require.resolve(`${name}/package.json`))
    await cp(found, join(host.project, 'node_modules', name), {
      recursive: true,
      filter: (path) => !/\.(?:ts|map|md)$/.test(path),
    })
  }
}

async function startServer(internet: Internet, authorizations: string[]): Promise<Server> {
  const server = new Server()
  const text = { serialize: (value: string) => Buffer.from(value), deserialize: (bytes: Buffer) => bytes.toString() }
  const method = (path: string, stream: boolean) => ({
    path,
    requestStream: stream,
    responseStream: stream,
    requestSerialize: text.serialize,
    requestDeserialize: text.deserialize,
    responseSerialize: text.serialize,
    responseDeserialize: text.deserialize,
  })
  const note = (metadata: Metadata): string => {
    const authorization = String(metadata.get('authorization')[0])
    authorizations.push(authorization)
    return authorization
  }
  const say: handleUnaryCall<string, string> = ({ request, metadata }, callback) =>
    callback(null, `${request} from ${note(metadata)}`)
  const fail: handleUnaryCall<string, string> = ({ metadata }, callback) => {
    note(metadata)
    callback({ code: status.FAILED_PRECONDITION, details: 'not today' })
  }
  const talk: handleBidiStreamingCall<string, string> = (call) => {
    note(call.metadata)
    let count = 0
    const trailer = new Metadata()
    call.on('data', (word: string) => {
      trailer.set('x-count', String(++count))
      call.write(word.toUpperCase())
    })
    call.on('end', () => call.end(trailer))
  }
  const service = {
    say: method('/e2e.Echo/Say', false),
    talk: method('/e2e.Echo/Talk', true),
    fail: method('/e2e.Echo/Fail', false),
  }
  server.addService(service, { say, talk, fail })
  for (const host of HOSTS) {
    const { key, cert } = internet.authority.issue(host)
    const credentials = ServerCredentials.createSsl(null, [
      { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) },
    ])
    internet.redirect(`${host}:443`, await bind(server, credentials))
  }
  return server
}

function bind(server: Server, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error === null ? resolve(port) : reject(error)))
  })
}
