/**
 * In the egress: a credential for somebody else never reaches the internet, by HTTP/1.1 or in a reload's terms; its
 * record names the pattern and holds no value; with `secrets.enabled: false` nobody looks.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { connectTcp, rawRequest } from '../../../support/proxy-client.ts'
import { startBed } from '../../bed.ts'

const KEY = `gh${'p_'}a7Rk2Xq9Zt4Lm8Wc3Vb6Nf5Hj1PdGsYeQuTi`
const hosts = { 'plain.test': { kind: 'http' } } as const
const DENIED = {
  status: 403,
  code: 'inspector_blocked',
  host: 'plain.test',
  reason: 'secret detected: github_token',
} as const

async function post(proxy: string, body: Buffer, fields = ''): ReturnType<typeof rawRequest> {
  const socket = await connectTcp(proxy)
  const head = `POST http://plain.test/ HTTP/1.1\r\nHost: plain.test\r\nContent-Length: ${body.length}\r\n${fields}\r\n`
  const response = await rawRequest(socket, Buffer.concat([Buffer.from(head), body]))
  socket.destroy()
  return response
}

test('a credential in a body is denied, in clear, compressed and encoded', async (t) => {
  const bed = await startBed(t, { hosts })
  const record = bed.denied(await post(bed.proxy, Buffer.from(`{"k":"${KEY}"}`)), DENIED)
  bed.denied(await post(bed.proxy, gzipSync(KEY), 'Content-Encoding: gzip\r\n'), DENIED)
  bed.denied(await post(bed.proxy, Buffer.from(Buffer.from(KEY).toString('base64'))), DENIED)
  bed.nothingLeft()
  assert.ok(!JSON.stringify(bed.records).includes(KEY))
  assert.ok(record.inspectors?.some(({ name }) => name === 'secrets'))
})

test('allowed hosts, a reload, and nobody looking', async (t) => {
  const allowed = { secrets: { allow_to_domains: { github_token: ['plain.test'] } } }
  const bed = await startBed(t, { hosts, config: allowed })
  assert.equal((await post(bed.proxy, Buffer.from(KEY))).status, 200)
  await bed.reload({ secrets: {} })
  bed.denied(await post(bed.proxy, Buffer.from(KEY)), DENIED)
  await bed.reload({ secrets: { enabled: false } })
  assert.equal((await post(bed.proxy, Buffer.from(KEY))).status, 200)
})
