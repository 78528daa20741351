/** `stream.ts CERTIFICATE KEY`, forked: a TLS server that answers with `?megabytes=N` MiB. Sends its port to the parent. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'

const MEBIBYTE = 2 ** 20

const [certificateFile = '', keyFile = ''] = process.argv.slice(2)
const block = randomBytes(MEBIBYTE)

const server = https.createServer(
  { cert: readFileSync(certificateFile), key: readFileSync(keyFile) },
  (request, response) => {
    const megabytes = Number(new URL(request.url ?? '/', 'https://localhost').searchParams.get('megabytes'))
    response.writeHead(200, { 'Content-Type': 'application/octet-stream' })
    Readable.from(repeat(block, megabytes)).pipe(response)
  },
)

server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
// The parent is gone: so is the reason to be here.
process.once('disconnect', () => process.exit(0))

function* repeat(bytes: Buffer, times: number): Generator<Buffer> {
  for (let left = times; left > 0; left--) yield bytes
}
