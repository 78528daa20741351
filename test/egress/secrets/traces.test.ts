/**
 * What an egress leaves behind: its standard error, its audit log and its state hold no real value, in any encoding,
 * after exchanges that went well, were blocked, echoed the value, or failed in every way that an upstream can.
 */
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { startEgress } from '../../support/egress-process.ts'
import { startInternet, type ServerOptions } from '../../support/internet.ts'
import { connectTcp, get } from '../../support/proxy-client.ts'
import { ENCODINGS, NESTED } from './encodings.ts'
import { onTheWire, PLACEHOLDER } from './example.ts'

const VALUE = 'sk-ant-api03-Zk3_x9-QbLr7TnVw2YpHsJd8'

/** Says something and goes away. */
function saying(text: string): ServerOptions {
  return {
    kind: 'tcp',
    port: 80,
    onConnection: (socket) => socket.on('error', () => {}).once('data', () => socket.end(text, 'latin1')),
  }
}

const BROKEN: Readonly<Record<string, string>> = {
  'garbage.test': `${VALUE} ${VALUE}\r\n\r\n`,
  'field.test': `HTTP/1.1 200 OK\r\n${VALUE}\r\n\r\n`,
  'reason.test': `HTTP/1.1 299 ${VALUE}\r\nContent-Length: 5\r\n\r\nhello`,
  'length.test': `HTTP/1.1 200 OK\r\nContent-Length: ${VALUE}\r\n\r\nhello`,
  'short.test': `HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n${VALUE}`,
  'coding.test': `HTTP/1.1 200 OK\r\nContent-Encoding: ${VALUE}\r\n\r\n${VALUE}`,
  'gzip.test': `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n${VALUE}`,
  'chunk.test': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${VALUE}\r\n`,
}

test('nothing of it holds the value', async (t) => {
  const broken = Object.fromEntries(Object.entries(BROKEN).map(([host, text]) => [host, saying(text)]))
  await using internet = await startInternet({ 'api.test': {}, 'other.test': {}, ...broken })
  const hosts = ['api.test', 'other.test', ...Object.keys(BROKEN)]
  const rule = {
    env: 'KEY',
    placeholder: PLACEHOLDER,
    inject_to: [...hosts, 'nowhere.test'].filter((host) => host !== 'other.test'),
  }
  const egress = await startEgress(
    t,
    {
      name: 'box',
      domains: { list: [...hosts, 'nowhere.test'] },
      secret_injection: [{ ...rule, inject_body: true }],
      rate_limit: { requests_per_second: 0 },
      upstream: internet.upstream,
    },
    { env: { KEY: VALUE } },
  )
  const { proxy, ca } = egress
  const headers = { authorization: `Bearer ${PLACEHOLDER}` }
  const ask = (url: string, more: object = {}): Promise<unknown> =>
    get(url, { proxy, ca, headers, ...more }).catch((error: unknown) => error)
  for (const encode of Object.values({ ...ENCODINGS, ...NESTED })) {
    const text = onTheWire(encode(VALUE).replaceAll(/[\r\n ]+/g, '+'))
    await ask('https://other.test/', { method: 'POST', headers: {}, body: encode(VALUE) })
    await ask('https://api.test/', { method: 'POST', body: encode(VALUE) })
    if (!Object.values(NESTED).includes(encode))
      await ask(`https://other.test/?q=${text.replaceAll('#', '%23')}`, { headers: {} })
  }
  for (const host of [...Object.keys(BROKEN), 'nowhere.test']) await ask(`http://${host}/${PLACEHOLDER}`)
  for (const bytes of [
    `GET http://${VALUE}/ HTTP/1.1\r\n\r\n`,
    `${VALUE} / HTTP/1.1\r\nHost: ${VALUE}.test\r\n\r\n`,
    `CONNECT ${VALUE}.test:443 HTTP/1.1\r\nHost: ${VALUE}.test\r\n\r\n`,
  ]) {
    const socket = await connectTcp(proxy)
    await new Promise((resolve) =>
      socket
        .on('error', () => {})
        .once('close', resolve)
        .resume()
        .end(bytes),
    )
  }
  await egress.stop()
  const folder = dirname(egress.configPath)
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  assert.ok(files.length >= 4)
  const written = await Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name), 'latin1')))
  const all = [egress.stderr, ...written].join('\n').toLowerCase()
  assert.ok(all.includes('secret_literal') && all.includes('placeholder'))
  for (const [how, encode] of Object.entries(ENCODINGS)) assert.ok(!all.includes(encode(VALUE).toLowerCase()), how)
})
