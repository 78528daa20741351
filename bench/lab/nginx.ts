import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, HOST, listening, type Lab, type Seat } from './lab.ts'

/** What the upstream answers, 0.7 kB of JSON as APIs send it. */
const BODY = JSON.stringify({
  id: 'msg_0123456789abcdef',
  type: 'message',
  role: 'assistant',
  content: [{ type: 'text', text: 'All work and no play makes Jack a dull boy. '.repeat(11).trim() }],
  model: 'model-2026-01-01',
  usage: { input_tokens: 1024, output_tokens: 128 },
})

/** The server that everything in between leads to. Returns its port. */
export function startUpstream(lab: Lab): Promise<number> {
  return startNginx(lab, 'around', {
    name: 'upstream',
    http: '',
    location: `default_type application/json; return 200 '${BODY}';`,
  })
}

/** The peer: nginx that terminates TLS and opens it anew, verifying the upstream as the egress does. Returns its port. */
export function startPeer(lab: Lab, upstreamPort: number): Promise<number> {
  return startNginx(lab, 'measured', {
    name: 'peer',
    http: `upstream up { server 127.0.0.1:${upstreamPort}; keepalive 64; keepalive_requests 1000000000; }`,
    location: `
      proxy_pass https://up;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host ${HOST};
      proxy_ssl_server_name on;
      proxy_ssl_name ${HOST};
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate ${lab.authorityFile};`,
  })
}

interface Site {
  readonly name: string
  /** Directives of the http block and of its one location. */
  readonly http: string
  readonly location: string
}

async function startNginx(lab: Lab, seat: Seat, site: Site): Promise<number> {
  const port = await freePort()
  const folder = join(lab.folder, site.name)
  await mkdir(folder)
  const path = join(folder, 'nginx.conf')
  await writeFile(path, render(lab, folder, { ...site, port }))
  const errors = join(folder, 'error.log')
  const child = lab.start(seat, ['nginx', '-p', folder, '-c', path, '-e', errors])
  await listening(port, child)
  return port
}

/** Keep-alive without end, nothing written: what is left is TLS and HTTP. */
function render(lab: Lab, folder: string, site: Site & { readonly port: number }): string {
  const scratch = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
daemon off;
worker_processes 1;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
events { worker_connections 1024; }
http {
  access_log off;
  ${scratch.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  ${site.http}
  server {
    listen 127.0.0.1:${site.port} ssl;
    server_name ${HOST};
    ssl_certificate ${lab.certificateFile};
    ssl_certificate_key ${lab.keyFile};
    ssl_protocols TLSv1.2 TLSv1.3;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    location / { ${site.location} }
  }
}
`
}
