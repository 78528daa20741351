import type { Operation } from './operation.ts'

/**
 * The command that does operations inside a cage and prints their outcomes as one JSON list. An image may have Node or
 * Python; whichever is there does it. Exit code 97: neither is.
 */
export function probeCommand(operations: readonly Operation[]): readonly [string, ...string[]] {
  return ['/bin/sh', '-c', CHOOSE, 'agentcage-verify', NODE_PROGRAM, PYTHON_PROGRAM, JSON.stringify(operations)]
}

export const NO_INTERPRETER = 97

const CHOOSE = `
if command -v node >/dev/null 2>&1; then exec node -e "$1" -- "$3"; fi
if command -v python3 >/dev/null 2>&1; then exec python3 -I -c "$2" "$3"; fi
exit ${NO_INTERPRETER}
`

const NODE_PROGRAM = `
const net = require('node:net'), dgram = require('node:dgram'), fs = require('node:fs'), { join } = require('node:path')
const LIMIT = 3000
const actions = {
  tcp: ({ host, port, send, proxied }) => new Promise((resolve) => {
    if (proxied) {
      const url = new URL(process.env.http_proxy || process.env.HTTP_PROXY)
      host = url.hostname
      port = Number(url.port || 80)
    }
    let ok = false, data = '', settled = false
    const socket = net.connect({ host, port })
    const done = (error) => {
      if (settled) return
      settled = true
      socket.destroy()
      resolve({ ok, data, error })
    }
    socket.setTimeout(proxied ? 4 * LIMIT : LIMIT, () => done('timeout'))
    socket.on('connect', () => { ok = true; socket.write(send) })
    socket.on('data', (bytes) => {
      data += bytes.toString('latin1')
      if (data.length > 65536) done('')
    })
    socket.on('error', (error) => done(error.code || error.message))
    socket.on('close', () => done(''))
  }),
  udp: ({ host, port, send }) => new Promise((resolve) => {
    const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4')
    const done = (result) => {
      clearTimeout(timer)
      try { socket.close() } catch {}
      resolve({ ok: false, data: '', error: '', ...result })
    }
    const timer = setTimeout(() => done({ error: 'timeout' }), LIMIT)
    socket.on('error', (error) => done({ error: error.code || error.message }))
    socket.on('message', (bytes) => done({ ok: true, data: bytes.toString('base64') }))
    socket.send(Buffer.from(send, 'base64'), port, host)
  }),
  text: ({ path }) => ({ ok: true, data: fs.readFileSync(path, 'latin1').slice(0, 65536), error: '' }),
  write: ({ path }) => {
    fs.writeFileSync(path, '', { flag: 'wx' })
    fs.unlinkSync(path)
    return { ok: true, data: '', error: '' }
  },
  find: ({ path, text }) => {
    const found = []
    const look = (folder, depth) => {
      let entries = []
      try { entries = fs.readdirSync(folder, { withFileTypes: true }).slice(0, 200) } catch { return }
      for (const entry of entries) {
        const file = join(folder, entry.name)
        if (entry.isDirectory() && depth > 0) look(file, depth - 1)
        if (!entry.isFile()) continue
        try { if (fs.readFileSync(file, 'latin1').includes(text)) found.push(file) } catch {}
      }
    }
    look(path, 1)
    return { ok: true, data: found.join('\\n'), error: '' }
  },
  env: ({ names }) => ({ ok: true, data: names.filter((name) => process.env[name]).join('\\n'), error: '' }),
}
const outcome = async (operation) => {
  try { return { id: operation.id, ...(await actions[operation.kind](operation)) } }
  catch (error) { return { id: operation.id, ok: false, data: '', error: error.code || error.message } }
}
Promise.all(JSON.parse(process.argv[1]).map(outcome)).then((all) => process.stdout.write(JSON.stringify(all)))
`

const PYTHON_PROGRAM = `
import base64, errno, json, os, socket, sys, threading
from urllib.parse import urlsplit
LIMIT = 3
def failure(error):
    if isinstance(error, socket.timeout): return 'timeout'
    return errno.errorcode.get(getattr(error, 'errno', None) or 0, str(error))
def tcp(o):
    host, port = o['host'], o['port']
    if o.get('proxied'):
        url = urlsplit(os.environ.get('http_proxy') or os.environ['HTTP_PROXY'])
        host, port = url.hostname, url.port or 80
    connected, data = False, b''
    try:
        with socket.create_connection((host, port), 4 * LIMIT if o.get('proxied') else LIMIT) as s:
            connected = True
            s.sendall(o['send'].encode())
            while len(data) <= 65536:
                part = s.recv(65536)
                if not part: break
                data += part
        return connected, data.decode('latin1'), ''
    except OSError as error:
        return connected, data.decode('latin1'), failure(error)
def udp(o):
    with socket.socket(socket.AF_INET6 if ':' in o['host'] else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(LIMIT)
        s.sendto(base64.b64decode(o['send']), (o['host'], o['port']))
        return True, base64.b64encode(s.recvfrom(65536)[0]).decode(), ''
def text(o):
    with open(o['path'], encoding='latin1') as f: return True, f.read(65536), ''
def write(o):
    os.close(os.open(o['path'], os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    os.unlink(o['path'])
    return True, '', ''
def find(o):
    found = []
    def look(folder, depth):
        try: entries = list(os.scandir(folder))[:200]
        except OSError: return
        for e in entries:
            if e.is_dir(follow_symlinks=False) and depth > 0: look(e.path, depth - 1)
            if not e.is_file(follow_symlinks=False): continue
            try:
                with open(e.path, encoding='latin1') as f:
                    if o['text'] in f.read(): found.append(e.path)
            except OSError: pass
    look(o['path'], 1)
    return True, '\\n'.join(found), ''
def env(o):
    return True, '\\n'.join(n for n in o['names'] if os.environ.get(n)), ''
actions = {'tcp': tcp, 'udp': udp, 'text': text, 'write': write, 'find': find, 'env': env}
operations = json.loads(sys.argv[1])
results = [None] * len(operations)
def run(i):
    o = operations[i]
    try: ok, data, error = actions[o['kind']](o)
    except Exception as e: ok, data, error = False, '', failure(e)
    results[i] = {'id': o['id'], 'ok': ok, 'data': data, 'error': error}
threads = [threading.Thread(target=run, args=(i,)) for i in range(len(operations))]
for t in threads: t.start()
for t in threads: t.join()
sys.stdout.write(json.dumps(results))
`
