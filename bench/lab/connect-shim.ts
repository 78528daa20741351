/**
 * `node connect-shim.ts PROXY_PORT AUTHORITY`: wrk speaks to no proxy, so this stands between. Each connection it accepts
 * becomes a CONNECT to AUTHORITY through the proxy; bytes pass as they are. Prints its port.
 */
import net from 'node:net'

const [proxyPort, authority] = process.argv.slice(2)

const server = net.createServer({ noDelay: true, pauseOnConnect: true }, (client) => {
  const proxy = net.connect({ port: Number(proxyPort), host: '127.0.0.1', noDelay: true }, () => {
    proxy.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`)
  })
  // The answer to CONNECT fits one segment, and nothing follows it before the client has spoken.
  proxy.once('data', (answer: Buffer) => {
    if (/^HTTP\/1\.[01] 200 /.test(answer.toString('latin1'))) client.pipe(proxy).pipe(client)
    else client.destroy()
  })
  client.on('error', () => proxy.destroy())
  proxy.on('error', () => client.destroy())
  client.on('close', () => proxy.destroy())
  proxy.on('close', () => client.destroy())
})

server.listen(0, '127.0.0.1', () => console.log((server.address() as net.AddressInfo).port))
process.once('SIGTERM', () => process.exit(0))
