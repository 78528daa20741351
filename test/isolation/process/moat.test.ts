/*
 * The moat: a network namespace with no way out, in which a connection to any address arrives at the sockets that this
 * process holds. Captured ports take every address, IPv4 and IPv6; the explicit proxy has one address only; other ports
 * refuse; DNS answers come from the address that was asked. Nobody inside can change routes, and nothing stays behind.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { Server } from 'node:net'
import { test, type TestContext } from 'node:test'
import { CageError } from '../../../src/errors.ts'
import { openMoat, RESOLVERS, type Moat } from '../../../src/isolation/process/moat.ts'
import { startMoatHelper } from '../../../src/isolation/process/moat-process.ts'
import { PROXY, plainPlan, runInCage, runScript, withMoat, withoutCages, withoutPython } from './real-cage.ts'

/** Answers each connection with a name and the address that the client dialled. */
function answering(server: Server, name: string): void {
  server.on('connection', (socket) => {
    socket.on('error', () => {})
    socket.end(`${name} ${socket.localAddress}`)
  })
}

async function answeringMoat(t: TestContext): Promise<Moat> {
  const moat = await withMoat(t, [80, 443, 8443])
  answering(moat.proxy, 'proxy')
  answering(moat.dnsTcp, 'dns')
  for (const { handle, port } of moat.transparent) answering(handle, String(port))
  for (const socket of moat.dnsUdp) {
    socket.on('message', (query, { address, port }) => socket.send(`answer to ${query.toString()}`, port, address))
  }
  return moat
}

/** Runs Python in the cage with what a dialler needs; a script of its own keeps quoting out of the way. */
async function python(script: string, moat: Moat): Promise<string> {
  const { code, stdout, stderr } = await runInCage(plainPlan(['/usr/bin/python3', '-c', PRELUDE + script]), moat)
  assert.equal(code, 0, stderr)
  return stdout
}

const PRELUDE = `
import socket
def dial(address, port):
    try:
        with socket.create_connection((address, port), 5) as s:
            print(address, port, s.makefile().read())
    except OSError as e:
        print(address, port, type(e).__name__)
def ask(address, connect=True):
    s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    if connect:
        s.connect((address, 53)); s.send(b'me'); print(address, s.recv(99).decode())
    else:
        s.sendto(b'me', (address, 53)); d, a = s.recvfrom(99); print(address, d.decode(), 'from', a[0])
`

const skip = withoutPython('socket')

test('connections to any address arrive at the captured port and know where they were going', { skip }, async (t) => {
  const moat = await answeringMoat(t)
  const out = await python(
    `
for address in ('93.184.216.34', '10.0.0.1', '169.254.169.254', '127.0.0.1', '2606:2800:220:1::1', 'fd00:ec2::254'):
    dial(address, 443)
dial('93.184.216.34', 80)
dial('8.8.8.8', 8443)
dial('8.8.8.8', 53)
`,
    moat,
  )
  assert.deepEqual(out.trim().split('\n'), [
    '93.184.216.34 443 443 ::ffff:93.184.216.34',
    '10.0.0.1 443 443 ::ffff:10.0.0.1',
    '169.254.169.254 443 443 ::ffff:169.254.169.254',
    '127.0.0.1 443 443 ::ffff:127.0.0.1',
    '2606:2800:220:1::1 443 443 2606:2800:220:1::1',
    'fd00:ec2::254 443 443 fd00:ec2::254',
    '93.184.216.34 80 80 ::ffff:93.184.216.34',
    '8.8.8.8 8443 8443 ::ffff:8.8.8.8',
    '8.8.8.8 53 dns ::ffff:8.8.8.8',
  ])
})

test('the proxy has its one address, the loopback is the workload’s, and other ports refuse', { skip }, async (t) => {
  const moat = await answeringMoat(t)
  const out = await python(
    `
dial('198.18.0.1', 3128)
dial('127.0.0.1', 3128)
dial('93.184.216.34', 22)
own = socket.create_server(('127.0.0.1', 3128))
print(socket.create_connection(('127.0.0.1', 3128), 5).getpeername())
try:
    socket.create_server(('127.0.0.1', 443))
except OSError as e:
    print(type(e).__name__)
`,
    moat,
  )
  assert.deepEqual(out.trim().split('\n'), [
    '198.18.0.1 3128 proxy 198.18.0.1',
    '127.0.0.1 3128 ConnectionRefusedError',
    '93.184.216.34 22 ConnectionRefusedError',
    "('127.0.0.1', 3128)",
    'PermissionError',
  ])
})

test('a DNS answer comes from the resolver that was asked, so that connected clients take it', { skip }, async (t) => {
  const moat = await answeringMoat(t)
  const bound = moat.dnsUdp.map((socket) => socket.address().address)
  const asked = [...RESOLVERS.filter((address) => bound.includes(address)), '4.2.2.2', '192.168.1.1']
  assert.deepEqual(
    RESOLVERS.filter((address) => !address.includes(':') && !bound.includes(address)),
    [],
  )
  const out = await python(`for a in ${JSON.stringify(asked)}: ask(a); ask(a, False)`, moat)
  const expected = asked.flatMap((address) => [`${address} answer to me`, `${address} answer to me from ${address}`])
  assert.deepEqual(out.trim().split('\n'), expected)
})

test('nobody inside can change the network', { skip: withoutCages }, async (t) => {
  const moat = await withMoat(t)
  const { stderr } = await runScript(
    'ip route add 192.0.2.0/24 dev lo; ip link set lo down; ip address add 192.0.2.1 dev lo',
    moat,
  )
  assert.equal(stderr.match(/Operation not permitted/g)?.length, 3)
})

test('a port that the cage itself needs cannot be captured', async () => {
  for (const port of [53, PROXY.port]) {
    await assert.rejects(openMoat({ tcpPorts: [443, port], proxy: PROXY }), (error) => {
      assert.ok(error instanceof CageError)
      assert.equal(error.code, 'listen_failed')
      assert.match(error.message, new RegExp(`port ${port} cannot be captured`))
      return true
    })
  }
})

test('a moat that is closed leaves no descriptor and no process', { skip: withoutCages }, async () => {
  const before = sockets()
  const moat = await openMoat({ tcpPorts: [443, 443], proxy: PROXY })
  assert.equal(moat.transparent.length, 1)
  assert.ok(readlinkSync(moat.networkNamespace).startsWith('net:'))
  const closed = [moat.proxy, moat.dnsTcp, ...moat.dnsUdp].map(
    (socket) => new Promise((resolve) => void socket.once('close', resolve)),
  )
  moat.close()
  moat.close()
  await Promise.all(closed)
  await new Promise(setImmediate)
  assert.deepEqual(sockets(), before)
})

test('an aborted opening ends its process and says so', { skip: withoutCages }, async () => {
  const aborting = new AbortController()
  const opening = openMoat({ tcpPorts: [], proxy: PROXY, signal: aborting.signal })
  aborting.abort()
  await assert.rejects(opening, { name: 'AbortError' })
})

test(
  'a helper that is started ahead makes the moat, and one that is never asked ends',
  { skip: withoutCages },
  async () => {
    const helper = startMoatHelper()
    const moat = await openMoat({ tcpPorts: [443], proxy: PROXY, helper })
    assert.equal(moat.transparent.length, 1)
    moat.close()
    await helper[Symbol.asyncDispose]()

    const before = processes()
    const unasked = startMoatHelper()
    assert.equal(processes().length, before.length + 1)
    await unasked[Symbol.asyncDispose]()
    assert.deepEqual(processes(), before)
  },
)

/** Our children. */
function processes(): readonly string[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1').split(' ').filter(Boolean)
}

/** What our descriptors above standard error are, without the ones that Node itself opens at its leisure. */
function sockets(): readonly string[] {
  return readdirSync('/proc/self/fd')
    .map((name) => {
      try {
        return readlinkSync(`/proc/self/fd/${name}`)
      } catch {
        return ''
      }
    })
    .filter((target) => /^(?:socket|net|user):/.test(target))
    .toSorted()
}
