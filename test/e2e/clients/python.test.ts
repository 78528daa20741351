/** Python in a cage: urllib, which asks the proxy, and a bare socket with `ssl`, which knows of none and is captured. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { InternetServer } from '../../support/internet.ts'
import { withoutCagesOr } from '../support/cage.ts'
import { WITHOUT_PROXY } from '../support/session.ts'
import { assertProtected, World } from '../support/world.ts'

const URLLIB = `
import os, sys, urllib.request
request = urllib.request.Request("https://%s/" % sys.argv[1], headers={"X-Api-Key": os.environ["API_TOKEN"]})
print(urllib.request.urlopen(request).read().decode())
`

const SOCKET = `
import os, socket, ssl, sys
name = sys.argv[1]
tls = ssl.create_default_context().wrap_socket(socket.create_connection((name, 443)), server_hostname=name)
request = "GET / HTTP/1.1\\r\\nHost: %s\\r\\nX-Api-Key: %s\\r\\nConnection: close\\r\\n\\r\\n" % (name, os.environ["API_TOKEN"])
tls.sendall(request.encode())
print(b"".join(iter(lambda: tls.recv(4096), b"")).decode())
`

/** To an address that was never looked up: what counts is the name in the ClientHello. */
const SOCKET_TO_ADDRESS = SOCKET.replace('(name, 443)', '("203.0.113.7", 443)')

const CASES = [
  { name: 'urllib by the proxy', host: 'urllib.test', program: URLLIB, env: {} },
  { name: 'urllib without proxy variables', host: 'urllib-past.test', program: URLLIB, env: WITHOUT_PROXY },
  { name: 'a socket to the name', host: 'socket.test', program: SOCKET, env: {} },
  { name: 'a socket to any address', host: 'socket-address.test', program: SOCKET_TO_ADDRESS, env: {} },
] as const

describe('Python', { skip: withoutCagesOr('python3') }, () => {
  let world: World
  const servers = new Map<string, InternetServer>()

  before(async () => {
    world = await World.open(async (internet) => {
      for (const { host } of CASES) servers.set(host, await internet.server(host))
    })
  })
  after(() => world.close())

  for (const { name, host, program, env } of CASES) {
    test(name, async () => {
      const { code, stdout, stderr } = await world.cage.run(['python3', '-c', program, host], { env })
      assert.equal(code, 0, stderr)
      const [record, ...more] = await world.recordsOf(host)
      assertProtected(servers.get(host)?.requests[0], stdout, record)
      assert.deepEqual(more, [])
      assert.deepEqual([record.protocol, record.url, record.status], ['http/1.1', `https://${host}/`, 200])
    })
  }
})
