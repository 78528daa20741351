/**
 * `agentcage egress` as its own process: one line of JSON when it serves, everything else on standard error, a reload by
 * SIGHUP and by change, an end by SIGTERM with 0, and for what cannot be an exit code with the reason.
 */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { stringify } from 'yaml'
import { verifyLog } from '../../src/audit/verify.ts'
import { startEgress } from '../support/egress-process.ts'
import { startInternet } from '../support/internet.ts'
import { get, tlsOver, connectTcp, rawRequest } from '../support/proxy-client.ts'

test('serves, records, and ends with 0', async (t) => {
  await using internet = await startInternet({ 'api.test': (_request, response) => void response.end('hello') })
  const egress = await startEgress(t, { domains: { list: ['api.test'] }, upstream: internet.upstream }, {
    args: ['--transparent', '127.0.0.1:0=443', '--dns', '127.0.0.1:0'],
  })
  assert.match(egress.proxy, /^127\.0\.0\.1:\d+$/)
  assert.equal(egress.transparent.length, 1)
  assert.match(egress.ca, /^-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n$/)
  const response = await get('https://api.test/', { proxy: egress.proxy, ca: egress.ca })
  assert.deepEqual([response.status, response.body.toString()], [200, 'hello'])
  const captured = await tlsOver(await connectTcp(egress.transparent[0] ?? ''), { servername: 'api.test', ca: egress.ca })
  const answer = await rawRequest(captured, 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')
  assert.equal(answer.status, 200)
  captured.destroy()
  await egress.stop()
  assert.equal((await egress.audit()).length, 2)
  assert.equal((await verifyLog(egress.auditPath)).ok, true)
})

test('takes up a changed file, and on SIGHUP says what is wrong and keeps the last good one', async (t) => {
  await using internet = await startInternet({ 'api.test': (_request, response) => void response.end('hello') })
  const egress = await startEgress(t, { domains: { list: [] }, upstream: internet.upstream })
  const status = async (): Promise<number> => (await get('https://api.test/', { proxy: egress.proxy, ca: egress.ca })).status
  assert.equal(await status(), 403)
  await writeFile(egress.configPath, stringify({ domains: { list: ['api.test'] }, upstream: internet.upstream }))
  await egress.says(/configuration reloaded/)
  assert.equal(await status(), 200)
  await writeFile(egress.configPath, 'domains: {lst: []}\n')
  await egress.says(/not reloaded, the last good one stays in force: .*cage\.yaml:1:11: /)
  egress.signal('SIGHUP')
  assert.equal(await status(), 200)
  await egress.stop()
})

test('a question over IPv6 is answered', async (t) => {
  const egress = await startEgress(t, { domains: { list: ['api.test'] } }, { args: ['--dns', '[::1]:0'] })
  const port = Number(egress.dns.slice(egress.dns.lastIndexOf(':') + 1))
  const socket = createSocket('udp6')
  t.after(() => socket.close())
  const question = Buffer.from('123401000001000000000000036170690474657374000001' + '0001', 'hex')
  socket.send(question, port, '::1')
  const [reply] = (await once(socket, 'message')) as [Buffer]
  assert.equal(reply.readUInt16BE(0), 0x1234)
  assert.equal(reply.readUInt8(3) & 15, 0)
  await egress.stop()
})

test('a port in use is exit 1, a wrong configuration exit 2, each with its reason and nothing served', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  await assert.rejects(startEgress(t, {}, { args: ['--transparent', `127.0.0.1:${port}`] }), (error: Error) => {
    assert.match(error.message, /ended with 1 before it served/)
    assert.match(error.message, new RegExp(`cannot listen on 127.0.0.1:${port}: the port is in use`))
    return true
  })
  await assert.rejects(startEgress(t, 'domans: {}\n'), (error: Error) => {
    assert.match(error.message, /ended with 2 before it served/)
    assert.match(error.message, /cage\.yaml:1:1: .*did you mean "domains"/)
    return true
  })
})
