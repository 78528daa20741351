/**
 * CONNECT, SNI and Host name one destination, or the request is refused before anything of it leaves: an allowlist
 * that looks at one of them while the server goes by another would be no allowlist (domain fronting). Spellings of
 * one host (case, trailing dot, default port) are the same; what is not exactly one host is malformed.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  connectSocks5,
  connectTcp,
  connectTunnel,
  http2Over,
  http2Request,
  rawRequest,
  tlsOver,
  type Http2Response,
} from '../../support/proxy-client.ts'
import type { RawResponse } from '../../support/http-response.ts'
import { startBed, type Bed } from '../bed.ts'

const hosts = { 'api.test': {}, 'other.test': {}, 'plain.test': { kind: 'http' } } as const

interface Asked {
  readonly connect: string
  readonly sni?: string
  readonly head: string
}

async function ask(bed: Bed, { connect, sni, head }: Asked): Promise<RawResponse> {
  const servername = connect.slice(0, connect.lastIndexOf(':'))
  const tunnel = await connectTunnel(bed.proxy, connect)
  const secure = await tlsOver(tunnel, { ca: bed.ca, servername: sni ?? servername, alpn: ['http/1.1'] })
  const response = await rawRequest(secure, head.replaceAll('\n', '\r\n') + '\r\n\r\n')
  secure.destroy()
  return response
}

describe('one host in another spelling is the same', () => {
  const same: Readonly<Record<string, Asked>> = {
    'upper case in Host': { connect: 'api.test:443', head: 'GET / HTTP/1.1\nHost: API.Test' },
    'a trailing dot in Host': { connect: 'api.test:443', head: 'GET / HTTP/1.1\nHost: api.test.' },
    'the default port in Host': { connect: 'api.test:443', head: 'GET / HTTP/1.1\nHost: api.test:443' },
    'upper case and a dot in CONNECT': {
      connect: 'API.TEST.:443',
      sni: 'api.test',
      head: 'GET / HTTP/1.1\nHost: api.test',
    },
    'upper case in SNI': { connect: 'api.test:443', sni: 'API.test', head: 'GET / HTTP/1.1\nHost: api.test' },
    'absolute form in the tunnel': {
      connect: 'api.test:443',
      head: 'GET https://api.test:443/ HTTP/1.1\nHost: api.test',
    },
  }
  for (const [what, asked] of Object.entries(same)) {
    test(what, async (t) => {
      const bed = await startBed(t, { hosts })
      assert.equal((await ask(bed, asked)).status, 200)
      const [record] = bed.records
      assert.deepEqual([record?.host, record?.port, record?.url], ['api.test', 443, 'https://api.test/'])
    })
  }

  test('the upstream is told the host in its one spelling', async (t) => {
    const bed = await startBed(t, { hosts })
    const response = await ask(bed, { connect: 'api.test:443', head: 'GET / HTTP/1.1\nhOST: API.test.:443' })
    const { headers } = JSON.parse(response.body.toString()) as { headers: string[] }
    assert.deepEqual(headers.slice(0, 2), ['hOST', 'api.test'])
  })
})

describe('two hosts in one request are refused, both named', () => {
  const mismatches: Readonly<Record<string, Asked & { readonly reason: string }>> = {
    'CONNECT and SNI differ': {
      connect: 'api.test:443',
      sni: 'other.test',
      head: 'GET / HTTP/1.1\nHost: api.test',
      reason: 'SNI/Host header mismatch: SNI other.test, Host api.test:443',
    },
    'CONNECT and SNI differ, Host as SNI': {
      connect: 'api.test:443',
      sni: 'other.test',
      head: 'GET / HTTP/1.1\nHost: other.test',
      reason: 'SNI/Host header mismatch: SNI other.test, Host api.test:443',
    },
    'Host differs from both': {
      connect: 'api.test:443',
      head: 'GET / HTTP/1.1\nHost: other.test',
      reason: 'SNI/Host header mismatch: SNI api.test, Host other.test',
    },
    'Host is a subdomain of SNI': {
      connect: 'api.test:443',
      head: 'GET / HTTP/1.1\nHost: sub.api.test',
      reason: 'SNI/Host header mismatch: SNI api.test, Host sub.api.test',
    },
    'Host has another port': {
      connect: 'api.test:443',
      head: 'GET / HTTP/1.1\nHost: api.test:8443',
      reason: 'SNI/Host header mismatch: SNI api.test, Host api.test:8443',
    },
    'Host lacks the odd port of the tunnel': {
      connect: 'api.test:8443',
      head: 'GET / HTTP/1.1\nHost: api.test',
      reason: 'SNI/Host header mismatch: SNI api.test:8443, Host api.test',
    },
    'Host is an address': {
      connect: 'api.test:443',
      head: 'GET / HTTP/1.1\nHost: 127.0.0.1',
      reason: 'SNI/Host header mismatch: SNI api.test, Host 127.0.0.1',
    },
    'the absolute target names another': {
      connect: 'api.test:443',
      head: 'GET https://other.test/ HTTP/1.1\nHost: api.test',
      reason: 'SNI/Host header mismatch: request target other.test, Host api.test',
    },
    'the absolute target and Host name another': {
      connect: 'api.test:443',
      head: 'GET https://other.test/ HTTP/1.1\nHost: other.test',
      reason: 'SNI/Host header mismatch: SNI api.test, Host other.test',
    },
  }
  for (const [what, { reason, ...asked }] of Object.entries(mismatches)) {
    test(what, async (t) => {
      const bed = await startBed(t, { hosts })
      const response = await ask(bed, asked)
      const { host } = JSON.parse(response.body.toString()) as { host: string }
      bed.denied(response, { status: 403, code: 'authority_mismatch', host, reason })
      bed.nothingLeft()
    })
  }
})

describe('a client that looked up the address itself is told what to change', () => {
  const HEAD = 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n'

  test('TLS through SOCKS5', async (t) => {
    const bed = await startBed(t, { hosts })
    const tunnel = await connectSocks5(bed.proxy, '198.18.0.9', 443)
    const secure = await tlsOver(tunnel, { ca: bed.ca, servername: 'api.test', alpn: ['http/1.1'] })
    const reason =
      'SNI/Host header mismatch: SNI api.test, Host 198.18.0.9:443 (the client looked up the address itself: write socks5h:// for socks5://)'
    bed.denied(await rawRequest(secure, HEAD), { status: 403, code: 'authority_mismatch', host: 'api.test', reason })
    secure.destroy()
  })

  test('plain HTTP through CONNECT', async (t) => {
    const bed = await startBed(t, { hosts })
    const tunnel = await connectTunnel(bed.proxy, '198.18.0.9:80')
    const reason =
      'SNI/Host header mismatch: SNI 198.18.0.9, Host api.test (the client looked up the address itself: ask the proxy for the name)'
    bed.denied(await rawRequest(tunnel, HEAD), { status: 403, code: 'authority_mismatch', host: 'api.test', reason })
    tunnel.destroy()
  })
})

describe('what names no host, or more than one, is malformed', () => {
  const malformed: Readonly<Record<string, string>> = {
    'no Host': 'GET / HTTP/1.1',
    'no Host, HTTP/1.0': 'GET / HTTP/1.0',
    'two Host fields': 'GET / HTTP/1.1\nHost: api.test\nHost: other.test',
    'two equal Host fields': 'GET / HTTP/1.1\nHost: api.test\nhost: api.test',
    'two hosts in one field': 'GET / HTTP/1.1\nHost: api.test, other.test',
    'an empty Host': 'GET / HTTP/1.1\nHost:',
    'user information in Host': 'GET / HTTP/1.1\nHost: api.test@other.test',
    'user information in the target': 'GET https://other.test@api.test/ HTTP/1.1\nHost: api.test',
    'a host in hexadecimal': 'GET / HTTP/1.1\nHost: 0x7f.1',
    'a path in Host': 'GET / HTTP/1.1\nHost: api.test/other.test',
    'a percent-encoded host': 'GET / HTTP/1.1\nHost: api%2etest',
    'a port that is none': 'GET / HTTP/1.1\nHost: api.test:443x',
    'another scheme in the target': 'GET http://api.test/ HTTP/1.1\nHost: api.test',
    'a scheme that is none of ours': 'GET ftp://api.test/ HTTP/1.1\nHost: api.test',
    'a target without a slash': 'GET api.test HTTP/1.1\nHost: api.test',
    'a fragment in the target': 'GET /#/../admin HTTP/1.1\nHost: api.test',
    'an absolute target without a host': 'GET https:///path HTTP/1.1\nHost: api.test',
  }
  for (const [what, head] of Object.entries(malformed)) {
    test(what, async (t) => {
      const bed = await startBed(t, { hosts })
      const response = await ask(bed, { connect: 'api.test:443', head })
      assert.equal(response.status, 400)
      assert.deepEqual(
        bed.records.map(({ decision, code }) => [decision, code]),
        [['blocked', 'bad_request']],
      )
      bed.nothingLeft()
    })
  }
})

describe('the explicit proxy', () => {
  test('Host must agree with the absolute target', async (t) => {
    const bed = await startBed(t, { hosts })
    const response = await rawRequest(
      await connectTcp(bed.proxy),
      'GET http://plain.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n',
    )
    bed.denied(response, {
      status: 403,
      code: 'authority_mismatch',
      host: 'other.test',
      reason: 'SNI/Host header mismatch: request target plain.test, Host other.test',
    })
    bed.nothingLeft()
  })

  test('CONNECT must agree with its Host', async (t) => {
    const bed = await startBed(t, { hosts })
    const response = await rawRequest(
      await connectTcp(bed.proxy),
      'CONNECT api.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n',
    )
    bed.denied(response, { status: 403, code: 'authority_mismatch', host: 'api.test:443' })
  })

  test('CONNECT may do without Host, and without the port in it', async (t) => {
    const bed = await startBed(t, { hosts })
    for (const host of ['', 'Host: api.test\r\n', 'Host: API.test.:443\r\n']) {
      const socket = await connectTcp(bed.proxy)
      assert.equal((await rawRequest(socket, `CONNECT api.test:443 HTTP/1.1\r\n${host}\r\n`)).status, 200, host)
      socket.destroy()
    }
  })

  test('TLS in a tunnel to an address goes without SNI', async (t) => {
    const bed = await startBed(t, { hosts: { '127.0.0.1': {}, '[::1]': {} } })
    for (const [host, connect] of [
      ['127.0.0.1', '127.0.0.1:443'],
      ['::1', '[::1]:443'],
    ] as const) {
      const secure = await tlsOver(await connectTunnel(bed.proxy, connect), {
        ca: bed.ca,
        servername: host,
        alpn: ['http/1.1'],
      })
      const name = connect.slice(0, -':443'.length)
      assert.equal((await rawRequest(secure, `GET / HTTP/1.1\r\nHost: ${name}\r\n\r\n`)).status, 200)
      secure.destroy()
    }
    assert.deepEqual(
      bed.records.map(({ url }) => url),
      ['https://127.0.0.1/', 'https://[::1]/'],
    )
  })
})

describe('HTTP/2', () => {
  async function session(bed: Bed, sni = 'api.test') {
    const tunnel = await connectTunnel(bed.proxy, 'api.test:443')
    return http2Over(tunnel, 'https://api.test', { ca: bed.ca, servername: sni })
  }

  test('a foreign authority on a reused connection is answered 421, and the connection goes on', async (t) => {
    const bed = await startBed(t, { hosts })
    const open = await session(bed)
    const first = await http2Request(open, { ':path': '/' })
    const foreign = await http2Request(open, { ':path': '/', ':authority': 'other.test' })
    const again = await http2Request(open, { ':path': '/' })
    assert.deepEqual([first.status, again.status], [200, 200])
    bed.denied(foreign, {
      status: 421,
      code: 'misdirected_request',
      host: 'other.test',
      reason: 'SNI/Host header mismatch: SNI api.test, Host other.test',
    })
    open.close()
  })

  const first: Readonly<
    Record<string, { readonly headers: Record<string, string>; readonly sni?: string; readonly status: number }>
  > = {
    'a foreign authority in the first request': { headers: { ':authority': 'other.test' }, status: 403 },
    'a Host beside the authority that differs': {
      headers: { ':authority': 'api.test', host: 'other.test' },
      status: 400,
    },
    'an SNI that differs from CONNECT': { headers: { ':authority': 'other.test' }, sni: 'other.test', status: 403 },
    'two hosts in the authority': { headers: { ':authority': 'api.test,other.test' }, status: 400 },
  }
  for (const [what, { headers, sni, status }] of Object.entries(first)) {
    test(`${what} is refused`, async (t) => {
      const bed = await startBed(t, { hosts })
      const open = await session(bed, sni)
      const response: Http2Response = await http2Request(open, { ':path': '/', ...headers })
      assert.equal(response.status, status)
      bed.nothingLeft()
      open.close()
    })
  }

  test('the same authority in another spelling is the same', async (t) => {
    const bed = await startBed(t, { hosts })
    const open = await session(bed)
    for (const authority of ['API.test', 'api.test.', 'api.test:443']) {
      assert.equal((await http2Request(open, { ':path': '/', ':authority': authority })).status, 200, authority)
    }
    open.close()
  })
})
