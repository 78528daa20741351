/**
 * The internet as cages in the lab find it: a name server that knows every name below .test and those of the documentation,
 * and behind all of these names one server that answers HTTP and HTTPS with what it was asked. Runs in the lab, as root, until it is killed.
 */
import { hash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createSecureContext } from 'node:tls'
import { startNameServer } from '../../test/egress/upstream/name-server.ts'
import { TestAuthority } from '../../test/support/test-authority.ts'

const NAME_SERVER = '198.18.0.10'
const SERVER = '198.18.0.11'

const KNOWN = /(?:\.test|\.example\.com|^api\.anthropic\.com)$/

/** Where the configurations of the tests find the authority; every user of the lab may read it. */
const AUTHORITY = '/run/internet/ca.pem'

const authority = new TestAuthority()
mkdirSync('/run/internet', { recursive: true, mode: 0o755 })
writeFileSync(AUTHORITY, authority.certificatePem, { mode: 0o644 })
await startNameServer((name) => (KNOWN.test(name) ? [SERVER] : 'NXDOMAIN'), { host: NAME_SERVER, port: 53 })
await Promise.all([serveHttp(), serveHttps()])
process.stdout.write('ready\n')

async function serveHttp(): Promise<void> {
  await new Promise<void>((resolve) => createServer(echo).listen(80, SERVER, () => resolve()))
}

async function serveHttps(): Promise<void> {
  const contexts = new Map<string, ReturnType<typeof createSecureContext>>()
  const server = createTlsServer(
    {
      SNICallback(name, done) {
        const known = contexts.get(name) ?? createSecureContext(authority.issue(name))
        contexts.set(name, known)
        done(null, known)
      },
    },
    echo,
  )
  await new Promise<void>((resolve) => server.listen(443, SERVER, () => resolve()))
}

/** The request as JSON: what arrived is what was sent. */
function echo(request: IncomingMessage, response: ServerResponse): void {
  const { method, url, headers } = request
  // A value that went in would be taken out again on its way back, in any disguise: only its hash gets through.
  const authorization = hash('sha256', headers.authorization ?? '')
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ method, url, host: headers.host, authorization }))
}
