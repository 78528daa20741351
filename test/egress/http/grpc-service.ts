import type { TestContext } from 'node:test'
import grpc from '@grpc/grpc-js'
import type { Bed } from '../bed.ts'

const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: (text: string) => Buffer.from(text),
  requestDeserialize: (bytes: Buffer) => bytes.toString(),
  responseSerialize: (text: string) => Buffer.from(text),
  responseDeserialize: (bytes: Buffer) => bytes.toString(),
})

export const ECHO = {
  unary: method('Unary', false, false),
  serverStream: method('ServerStream', false, true),
  clientStream: method('ClientStream', true, false),
  bidi: method('Bidi', true, true),
}

type Unary = (
  text: string,
  metadata: grpc.Metadata,
  done: (error: grpc.ServiceError | null, text?: string) => void,
) => grpc.ClientUnaryCall

/** What the generated client of a `.proto` would be. */
export interface EchoClient extends grpc.Client {
  readonly unary: Unary
  readonly serverStream: (text: string, metadata?: grpc.Metadata) => grpc.ClientReadableStream<string>
  readonly clientStream: (
    done: (error: grpc.ServiceError | null, text?: string) => void,
  ) => grpc.ClientWritableStream<string>
  readonly bidi: () => grpc.ClientDuplexStream<string, string>
}

export interface EchoServer {
  readonly calls: readonly string[]
  readonly metadata: readonly grpc.Metadata[]
}

/**
 * A gRPC server that plays `grpc.test`. `unary` echoes with its metadata, fails for `fail`, answers `big` with a
 * megabyte; `serverStream` sends each word; `clientStream` joins; `bidi` echoes each message as it comes.
 */
export async function playGrpc(t: TestContext, bed: Bed, options: grpc.ServerOptions = {}): Promise<EchoServer> {
  const calls: string[] = []
  const seen: grpc.Metadata[] = []
  const server = new grpc.Server(options)
  const note = (name: string, { metadata }: { readonly metadata: grpc.Metadata }) => {
    calls.push(name)
    seen.push(metadata)
  }
  server.addService(ECHO, {
    unary(call: grpc.ServerUnaryCall<string, string>, done: grpc.sendUnaryData<string>) {
      note('unary', call)
      const trailer = new grpc.Metadata()
      trailer.set('x-trailer', 'after')
      if (call.request === 'fail')
        return done({ code: grpc.status.NOT_FOUND, details: 'no such thing: ünïcode', metadata: trailer })
      done(null, call.request === 'big' ? 'x'.repeat(1_000_000) : `echo ${call.request}`, trailer)
    },
    serverStream(call: grpc.ServerWritableStream<string, string>) {
      note('serverStream', call)
      for (const word of call.request.split(' ')) call.write(word)
      if (call.request !== 'wait') call.end()
    },
    clientStream(call: grpc.ServerReadableStream<string, string>, done: grpc.sendUnaryData<string>) {
      note('clientStream', call)
      const words: string[] = []
      call.on('data', (word: string) => words.push(word))
      call.on('end', () => done(null, words.join(' ')))
      call.on('error', () => {})
    },
    bidi(call: grpc.ServerDuplexStream<string, string>) {
      note('bidi', call)
      call.on('data', (word: string) => (word === 'enough' ? call.end() : call.write(`echo ${word}`)))
      call.on('end', () => call.end())
      call.on('error', () => {})
    },
  })
  const { key, cert } = bed.internet.authority.issue('grpc.test')
  const credentials = grpc.ServerCredentials.createSsl(null, [
    { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) },
  ])
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)))
  })
  bed.internet.redirect('grpc.test:443', port)
  t.after(() => server.forceShutdown())
  return { calls, metadata: seen }
}

/** A client that is captured on its way to `grpc.test:443`. */
export function capturedClient(t: TestContext, bed: Bed, options: grpc.ClientOptions = {}): EchoClient {
  const names = { 'grpc.default_authority': 'grpc.test', 'grpc.ssl_target_name_override': 'grpc.test' }
  return client(t, bed, `ipv4:${bed.transparent[0]}`, { ...names, 'grpc.enable_http_proxy': 0, ...options })
}

/** A client that goes through the explicit proxy, as its environment tells it. */
export function proxiedClient(t: TestContext, bed: Bed): EchoClient {
  process.env['grpc_proxy'] = `http://${bed.proxy}`
  try {
    return client(t, bed, 'grpc.test:443', {})
  } finally {
    delete process.env['grpc_proxy']
  }
}

function client(t: TestContext, bed: Bed, target: string, options: grpc.ClientOptions): EchoClient {
  const Echo = grpc.makeGenericClientConstructor(ECHO, 'Echo')
  const made = new Echo(target, grpc.credentials.createSsl(Buffer.from(bed.ca)), options)
  t.after(() => made.close())
  return made as unknown as EchoClient
}

/** One unary call: what came back, or the error. */
export function callUnary(echo: EchoClient, text: string, metadata = new grpc.Metadata()) {
  return new Promise<{
    readonly text?: string | undefined
    readonly error: grpc.ServiceError | null
    readonly trailers?: grpc.Metadata | undefined
  }>((resolve) => {
    let outcome: { text?: string | undefined; error: grpc.ServiceError | null } | undefined
    let trailers: grpc.Metadata | undefined
    const settle = () => outcome !== undefined && trailers !== undefined && resolve({ ...outcome, trailers })
    echo
      .unary(text, metadata, (error, answer) => {
        outcome = { error, text: answer }
        settle()
      })
      .on('status', (status) => {
        trailers = status.metadata
        settle()
      })
  })
}
