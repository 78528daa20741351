import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { test, type TestContext } from 'node:test'
import { frame } from '../../../src/egress/dns/framing.ts'
import type { DnsAddresses } from '../../../src/egress/listen/dns.ts'
import { rawQuery } from '../dns/oracle.ts'
import {
  addressesIn,
  askOverUdp,
  evil,
  repliesUntilClosed,
  startListener,
  takeReplies,
  tcpClient,
  udpClient,
} from './dns-client.ts'

/**
 * The listener over real sockets on loopback: UDP and TCP give the same answers, on addresses opened here and on
 * sockets handed over, and closing leaves nothing open.
 */

test('UDP and TCP on the same port, with the same answers, reported with their transport', async (t) => {
  const { addresses, port, queries } = await startListener(t)
  assert.equal(addresses.udp[0]?.port, port)
  const udp = await udpClient(t, port)
  assert.deepEqual(addressesIn(await askOverUdp(udp, rawQuery())), ['10.89.0.11'])
  assert.deepEqual(addressesIn(await askOverUdp(udp, evil)), ['198.51.100.1'])
  const tcp = await tcpClient(t, port)
  tcp.write(Buffer.concat([frame(rawQuery()), frame(evil)]))
  assert.deepEqual((await takeReplies(tcp, 2)).map(addressesIn), [['10.89.0.11'], ['198.51.100.1']])
  assert.deepEqual(
    queries.map(({ name, transport, decision }) => [name, transport, decision]),
    [
      ['api.example.com', 'udp', 'allowed'],
      ['secret.evil.test', 'udp', 'blocked'],
      ['api.example.com', 'tcp', 'allowed'],
      ['secret.evil.test', 'tcp', 'blocked'],
    ],
  )
  assert.equal(queries[0]?.client.port, udp.address().port)
})

test('IPv6', async (t) => {
  const { port } = await startOnIPv6(t)
  if (port === 0) return t.skip('this host has no IPv6 loopback')
  const udp = await udpClient(t, port, '::1')
  assert.deepEqual(addressesIn(await askOverUdp(udp, rawQuery())), ['10.89.0.11'])
})

test('a message cut into single bytes is put together; a half-closed client still gets its reply', async (t) => {
  const { port } = await startListener(t)
  const client = await tcpClient(t, port)
  client.setNoDelay(true)
  for (const byte of frame(rawQuery())) client.write(Buffer.from([byte]))
  client.end()
  assert.deepEqual((await repliesUntilClosed(client)).map(addressesIn), [['10.89.0.11']])
})

test('sockets bound elsewhere are taken over: a bound UDP socket and a listening server', async (t) => {
  const udp = createSocket('udp4')
  udp.bind(0, '127.0.0.1')
  const tcp = createServer().listen(0, '127.0.0.1')
  await Promise.all([once(udp, 'listening'), once(tcp, 'listening')])
  const { listener, addresses } = await startListener(t, {}, { udp: [udp], tcp: [tcp] })
  await assertAnswers(t, addresses)
  await listener.close()
  assert.equal(tcp.listening, false)
})

test('sockets from another process', async (t) => {
  const [udp, tcp] = await socketsFromChild()
  const { addresses } = await startListener(t, {}, { udp: [udp], tcp: [tcp] })
  await assertAnswers(t, addresses)
})

test('a port in use: an error that names it, and nothing stays open', async (t) => {
  const { port } = await startListener(t)
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const freePort = (free.address() as AddressInfo).port
  free.close()
  await once(free, 'close')
  const addresses = [freePort, port].map((number) => ({ address: '127.0.0.1', port: number }))
  await assert.rejects(startListener(t, {}, { addresses }), {
    code: 'listen_failed',
    message: new RegExp(`port ${port} .*EADDRINUSE`),
  })
  await startListener(t, {}, { addresses: addresses.slice(0, 1) })
})

test('a failed start closes the handed sockets too', async (t) => {
  const { port } = await startListener(t)
  const udp = createSocket('udp4')
  udp.bind(0, '127.0.0.1')
  await once(udp, 'listening')
  const closed = once(udp, 'close')
  await assert.rejects(startListener(t, {}, { udp: [udp], addresses: [{ address: '127.0.0.1', port }] }), {
    code: 'listen_failed',
  })
  await closed
})

test('a name in place of an address is refused, not resolved', async (t) => {
  const sources = { addresses: [{ address: 'localhost', port: 0 }] }
  await assert.rejects(startListener(t, {}, sources), { code: 'listen_failed' })
})

test('closing ends open connections, twice is the same as once', async (t) => {
  const { listener, port } = await startListener(t)
  const client = await tcpClient(t, port)
  client.write(frame(rawQuery()))
  await takeReplies(client, 1)
  const closed = once(client.resume(), 'close')
  await Promise.all([listener.close(), listener.close()])
  await closed
})

async function assertAnswers(t: TestContext, addresses: DnsAddresses): Promise<void> {
  const udp = await udpClient(t, addresses.udp[0]?.port ?? 0)
  assert.deepEqual(addressesIn(await askOverUdp(udp, rawQuery())), ['10.89.0.11'])
  const tcp = await tcpClient(t, addresses.tcp[0]?.port ?? 0)
  tcp.write(frame(rawQuery()))
  assert.deepEqual((await takeReplies(tcp, 1)).map(addressesIn), [['10.89.0.11']])
}

/** Port 0 in the result: there is no ::1 here. */
async function startOnIPv6(t: TestContext): Promise<{ readonly port: number }> {
  try {
    return await startListener(t, {}, { addresses: [{ address: '::1', port: 0 }] })
  } catch (error) {
    assert.match(String(error), /EADDRNOTAVAIL|EAFNOSUPPORT/)
    return { port: 0 }
  }
}

/** A child opens the sockets, hands them over and ends, as the helper in the workload's network namespace does. */
async function socketsFromChild(): Promise<[UdpSocket, Server]> {
  const script = `
    const udp = require('node:dgram').createSocket('udp4')
    const tcp = require('node:net').createServer()
    udp.bind(0, '127.0.0.1', () => tcp.listen(0, '127.0.0.1', () => {
      process.send('udp', udp, () => process.send('tcp', tcp, () => process.disconnect()))
      process.on('disconnect', () => process.exit())
    }))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [, udp] = (await once(child, 'message')) as [string, UdpSocket]
  const [, tcp] = (await once(child, 'message')) as [string, Server]
  await once(child, 'exit')
  return [udp, tcp]
}
