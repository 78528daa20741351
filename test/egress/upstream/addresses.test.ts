/**
 * The egress looks at the address before it dials, and dials the very address it looked at. A name that leads to the
 * host, the local network or a metadata service leads nowhere, also when it leads somewhere else a moment earlier (DNS
 * rebinding); what the operator names in `allow_addresses` or `connect_to` may be reached all the same.
 */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { connectTunnel, get, http2Request, http2Session, rawRequest } from '../../support/proxy-client.ts'
import { startBed, type BedOptions } from '../bed.ts'
import { HANDSHAKE } from '../websocket/sockets.ts'
import { startNameServer, type Answer } from './name-server.ts'

/** An egress that resolves by a server of our own, and dials the port of a real server at whatever address it is told. */
async function bedWithNames(
  t: TestContext,
  answer: (name: string, count: number) => Answer,
  options: { readonly allow?: readonly string[] } = {},
) {
  const names = await startNameServer(answer)
  t.after(() => names[Symbol.asyncDispose]())
  const bed = await startBed(t, {
    hosts: { 'server.test': { kind: 'http' } },
    config: { domains: { list: ['test'] }, upstream: { allow_addresses: options.allow ?? [] } },
    change: (config) => ({ ...config, dns_servers: [names.address] }),
  })
  const { port } = bed.server('server.test')
  return { bed, names, url: (host: string) => `http://${host}:${port}/` }
}

describe('a literal address', () => {
  const literals = [
    '127.0.0.1',
    '10.0.0.1',
    '169.254.169.254',
    '[::1]',
    '[::ffff:7f00:1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '[fd00:ec2::254]',
    '0.0.0.0',
    '198.51.100.1',
  ]
  for (const host of literals) {
    test(`${host} is refused although the list names it`, async (t) => {
      const plain = host.replaceAll(/[[\]]/g, '')
      const bed = await startBed(t, { config: { domains: { list: [plain] } } })
      const socket = await connectTunnel(bed.proxy, `${host}:80`)
      bed.denied(await rawRequest(socket, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`), {
        status: 403,
        code: 'address_forbidden',
        host: plain,
        reason: `${plain} leads to an address that is not allowed`,
      })
      bed.nothingLeft()
    })
  }
})

describe('a name', () => {
  for (const address of ['127.0.0.1', '10.1.2.3', '169.254.169.254', '100.64.0.1', '0.0.0.0']) {
    test(`that leads to ${address} is refused`, async (t) => {
      const { bed, url } = await bedWithNames(t, () => [address])
      bed.denied(await get(url('rebind.test'), bed), { status: 403, code: 'address_forbidden', host: 'rebind.test' })
      bed.nothingLeft()
    })
  }

  test('is refused for HTTP/2 and WebSocket alike', async (t) => {
    const { bed } = await bedWithNames(t, () => ['127.0.0.1'])
    const session = await http2Session('https://rebind.test', bed)
    bed.denied(await http2Request(session, { ':path': '/' }), {
      status: 403,
      code: 'address_forbidden',
      host: 'rebind.test',
    })
    session.destroy()
    const socket = await connectTunnel(bed.proxy, 'rebind.test:80')
    bed.denied(await rawRequest(socket, `GET / HTTP/1.1\r\nHost: rebind.test\r\n${HANDSHAKE}\r\n`), {
      status: 403,
      code: 'address_forbidden',
      host: 'rebind.test',
    })
  })

  test('that leads to an allowed and a forbidden address: only the allowed one is dialled', async (t) => {
    const { bed, url } = await bedWithNames(t, () => ['127.0.0.3', '127.0.0.1'], { allow: ['127.0.0.1'] })
    assert.equal((await get(url('both.test'), bed)).status, 200)
    assert.equal(bed.records[0]?.upstream_ip, '127.0.0.1')
  })

  test('the next address is tried when one does not answer', async (t) => {
    const { bed, url } = await bedWithNames(t, () => ['127.0.0.9', '127.0.0.1'], { allow: ['127.0.0.0/8'] })
    assert.equal((await get(url('second.test'), bed)).status, 200)
  })

  test('that changes between two connections is judged each time (rebinding)', async (t) => {
    const { bed, names, url } = await bedWithNames(t, (_name, count) => [count === 1 ? '127.0.0.1' : '10.0.0.1'], {
      allow: ['127.0.0.1'],
    })
    const socket = await connectTunnel(bed.proxy, new URL(url('rebind.test')).host)
    const request = `GET / HTTP/1.1\r\nHost: ${new URL(url('rebind.test')).host}\r\n\r\n`
    assert.equal((await rawRequest(socket, request)).status, 200)
    // One look-up a connection: there is no moment between looking and dialling in which the answer could change.
    assert.deepEqual(names.asked, ['rebind.test'])
    // Another `upstream` section ends what is kept alive: the next request needs a connection of its own.
    await bed.reload({ upstream: { allow_addresses: ['127.0.0.1/32'] } })
    bed.denied(await rawRequest(socket, request), { status: 403, code: 'address_forbidden', host: 'rebind.test' })
    assert.deepEqual(names.asked, ['rebind.test', 'rebind.test'])
    socket.destroy()
  })

  test('that nobody knows, or a resolver that says nothing useful: 502', async (t) => {
    for (const answer of ['NXDOMAIN', []] as const) {
      const { bed, url } = await bedWithNames(t, () => answer)
      bed.denied(await get(url('nobody.test'), bed), {
        status: 502,
        code: 'upstream_unresolved',
        host: 'nobody.test',
        reason: 'could not resolve nobody.test',
        blocked: false,
      })
    }
  })

  test('that is not allowed is not even looked up', async (t) => {
    const { bed, names, url } = await bedWithNames(t, () => ['127.0.0.1'])
    assert.equal((await get(url('secret-data.evil.example'), bed)).status, 403)
    assert.deepEqual(names.asked, [])
  })
})

describe('what the operator names', () => {
  test('allow_addresses opens a range and nothing beside it', async (t) => {
    const options: BedOptions = {
      hosts: { 'server.test': { kind: 'http' } },
      config: { domains: { list: ['127.0.0.1', '127.0.0.2'] }, upstream: { allow_addresses: ['127.0.0.1'] } },
    }
    const bed = await startBed(t, options)
    const { port } = bed.server('server.test')
    assert.equal((await get(`http://127.0.0.1:${port}/`, bed)).status, 200)
    assert.equal((await get(`http://127.0.0.2:${port}/`, bed)).status, 403)
  })

  test('connect_to leads a host and port elsewhere, without a look-up and past the guard; the request stays the same', async (t) => {
    const { bed, names } = await bedWithNames(t, () => ['127.0.0.1'])
    const { port } = bed.server('server.test')
    await bed.reload({ upstream: { connect_to: { 'API.test:8080': `127.0.0.1:${port}` } } })
    const response = await get('http://api.test:8080/x', bed)
    const { headers, url } = JSON.parse(response.body.toString()) as { headers: string[]; url: string }
    assert.deepEqual([headers.slice(0, 2), url], [['Host', 'api.test:8080'], '/x'])
    assert.deepEqual(names.asked, [])
    // Another port is another destination.
    assert.equal((await get('http://api.test:8081/x', bed)).status, 403)
    assert.equal(bed.records[0]?.host, 'api.test')
  })

  test('connect_to allows nothing: the policy still decides', async (t) => {
    const bed = await startBed(t, { hosts: { 'server.test': { kind: 'http' } }, config: { domains: { list: [] } } })
    bed.denied(await get('http://server.test/', bed), { status: 403, code: 'domain_denied', host: 'server.test' })
  })

  test('connect_to by name asks the resolver for that name', async (t) => {
    const { bed, names } = await bedWithNames(t, () => ['127.0.0.1'])
    const { port } = bed.server('server.test')
    await bed.reload({ upstream: { connect_to: { 'api.test:80': `inner.test:${port}` } } })
    assert.equal((await get('http://api.test/', bed)).status, 200)
    assert.deepEqual(names.asked, ['inner.test'])
  })
})
