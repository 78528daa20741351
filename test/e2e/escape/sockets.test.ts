/**
 * Escapes by sockets of other kinds: Unix sockets of the host, in its file system and in the abstract namespace, raw and
 * packet sockets, the way to a hypervisor, and messages to the kernel.
 */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { CageHost, withoutCagesOr } from '../support/cage.ts'
import { exitOf } from '../support/exit.ts'
import type { CageSession } from '../support/session.ts'

/** argv: path, `@` for the abstract namespace. */
const CONNECT = `
import errno, socket, sys
connection = socket.socket(socket.AF_UNIX)
try:
    connection.connect(sys.argv[1].replace("@", "\\0"))
    print("connected")
except OSError as error:
    print(errno.errorcode[error.errno])
`

/** Listens in the host's abstract namespace, which Node cannot. */
const LISTEN = `
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind("\\0" + sys.argv[1])
listener.listen()
print("listening", flush=True)
listener.accept()
print("reached", flush=True)
`

describe('sockets', { skip: withoutCagesOr('python3') }, () => {
  let host: CageHost
  let cage: CageSession
  let listener: ChildProcess
  const servers: Server[] = []
  const abstract = `agentcage-test-${process.pid}`
  const inTmp = join(tmpdir(), `agentcage-test-${process.pid}.socket`)
  let reached = 0

  const listen = async (path: string): Promise<string> => {
    const server = createServer(() => reached++).listen(path)
    await once(server, 'listening')
    servers.push(server)
    return path
  }

  before(async () => {
    host = await CageHost.open()
    await listen(inTmp)
    await mkdir(join(host.project, 'deep'))
    for (const path of ['agent.socket', 'project/service.socket', 'project/deep/service.socket'])
      await listen(join(host.home, path))
    listener = spawn('python3', ['-c', LISTEN, abstract], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(listener.stdout as NodeJS.ReadableStream, 'data')
    cage = await host.session()
  })
  after(async () => {
    await cage.close()
    listener.kill('SIGKILL')
    await exitOf(listener)
    for (const server of servers) server.close()
    await host[Symbol.asyncDispose]()
    await rm(inTmp, { force: true })
  })

  const connect = async (path: string): Promise<string> =>
    (await cage.run(['python3', '-c', CONNECT, path])).stdout.trim()

  test('a socket in the host’s abstract namespace is not there', async () => {
    assert.equal(await connect(`@${abstract}`), 'ECONNREFUSED')
  })

  test('sockets in the host’s folders are not there: /tmp, the home, /run', async () => {
    for (const path of [
      inTmp,
      join(host.home, 'agent.socket'),
      '/run/docker.sock',
      '/run/dbus/system_bus_socket',
      '/run/systemd/private',
    ])
      assert.equal(await connect(path), 'ENOENT', path)
  })

  test('sockets in the project, at any depth, lead nowhere', async () => {
    for (const path of ['service.socket', 'deep/service.socket'])
      assert.match(await connect(join(host.project, path)), /^(?:ECONNREFUSED|EACCES)$/, path)
    assert.equal(reached, 0)
  })

  test('raw, packet, netlink, hypervisor and other families are refused', async () => {
    const { stdout } = await cage.python(`
import errno, socket
def attempt(name, *arguments):
    try:
        socket.socket(*arguments)
        print(name, "opened")
    except OSError as error:
        print(name, errno.errorcode[error.errno])
attempt("raw", socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
attempt("ICMP", socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
attempt("ICMPv6", socket.AF_INET6, socket.SOCK_RAW, 58)
attempt("packet", 17, socket.SOCK_RAW, 0x0300)
attempt("packet datagram", 17, socket.SOCK_DGRAM, 0x0300)
attempt("vsock", 40, socket.SOCK_STREAM)
attempt("audit netlink", 16, socket.SOCK_RAW, 9)
attempt("netfilter netlink", 16, socket.SOCK_RAW, 12)
attempt("uevent netlink", 16, socket.SOCK_RAW, 15)
attempt("generic netlink", 16, socket.SOCK_RAW, 16)
attempt("kernel cryptography", 38, socket.SOCK_SEQPACKET)
attempt("bluetooth", 31, socket.SOCK_RAW, 1)
attempt("CAN", 29, socket.SOCK_RAW, 1)
attempt("XDP", 44, socket.SOCK_RAW)
attempt("TIPC", 30, socket.SOCK_SEQPACKET)
`)
    for (const line of stdout.trim().split('\n')) assert.match(line, / (?:EPERM|EACCES|EAFNOSUPPORT)$/)
  })

  test('no ping leaves: not even the datagram kind that needs no privilege elsewhere', async () => {
    const { stdout } = await cage.python(`
import socket
try:
    ping = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    print("opened")
except OSError as error:
    print("refused")
`)
    assert.equal(stdout, 'refused\n')
  })

  test('abstract sockets of its own work', async () => {
    const { stdout } = await cage.python(`
import socket
listener = socket.socket(socket.AF_UNIX)
listener.bind("\\0own")
listener.listen()
client = socket.socket(socket.AF_UNIX)
client.connect("\\0own")
print("connected")
`)
    assert.equal(stdout, 'connected\n')
  })
})
