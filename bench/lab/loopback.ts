import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AuditLog } from '../../src/audit/log.ts'
import type { Config } from '../../src/config/schema.ts'
import { Egress } from '../../src/egress/egress.ts'
import type { SecretBinding } from '../../src/egress/secrets/binding.ts'
import { CertificateAuthority } from '../../src/egress/tls/authority.ts'

/** An egress in this process, before a server that takes what it gets. */
export interface Loopback extends AsyncDisposable {
  /** Sends one request with this body over a connection that is kept, and waits for the answer. */
  post(body: Buffer): Promise<void>
}

export async function openLoopback(
  config: Config,
  bindings: readonly SecretBinding[],
  host: string,
): Promise<Loopback> {
  const folder = await mkdtemp(join(tmpdir(), 'agentcage-bench-'))
  const server = http.createServer((request, response) => {
    request.resume().once('end', () => response.end('{"ok":true}'))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const upstream = {
    ...config.upstream,
    connect_to: { [`${host}:80`]: `127.0.0.1:${(server.address() as AddressInfo).port}` },
  }
  const audit = AuditLog.open(join(folder, 'audit.jsonl'), { cage: 'bench' })
  const { egress, addresses } = await Egress.start({
    config: { ...config, upstream },
    bindings: async () => bindings,
    audit,
    authority: await CertificateAuthority.open(join(folder, 'ca'), { cage: 'bench' }),
    proxy: [{ host: '127.0.0.1', port: 0 }],
    address: { ipv4: '127.0.0.1' },
    log: (message) => console.error(message),
  })
  const [, port] = (addresses.proxy[0] ?? '').split(':')
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  return {
    async post(body) {
      const request = http.request({
        agent,
        port: Number(port),
        method: 'POST',
        path: `http://${host}/v1/messages`,
        headers: { Host: host, 'Content-Type': 'application/json', 'Content-Length': body.length },
      })
      request.end(body)
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      if (response.statusCode !== 200) throw new Error(`${response.statusCode}`)
      await once(response.resume(), 'end')
    },
    async [Symbol.asyncDispose]() {
      agent.destroy()
      await egress.close({ drainMs: 0 })
      server.close()
      server.closeAllConnections()
      await audit.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
