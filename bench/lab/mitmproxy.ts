import { join } from 'node:path'
import { freePort, HOST, listening, type Lab } from './lab.ts'

/** mitmproxy without an addon, which verifies the upstream. `reverse` is its fast way, `regular` is a forward proxy. */
export async function startMitmproxy(lab: Lab, mode: 'reverse' | 'regular', upstreamPort: number): Promise<number> {
  const port = await freePort()
  const child = lab.start('measured', [
    'mitmdump',
    '--quiet',
    '--mode',
    mode === 'reverse' ? `reverse:https://${HOST}:${upstreamPort}` : 'regular',
    '--listen-host',
    '127.0.0.1',
    '--listen-port',
    String(port),
    '--set',
    `confdir=${join(lab.folder, `mitmproxy-${mode}`)}`,
    '--set',
    `ssl_verify_upstream_trusted_ca=${lab.authorityFile}`,
  ])
  await listening(port, child)
  return port
}
