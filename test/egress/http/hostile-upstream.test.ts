/**
 * An upstream may answer anything. Whatever it is, the egress goes on, the workload gets an answer that its protocol can
 * carry or a denial that names the upstream, and the record says what the workload was told.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { get, http2Request, http2Session } from '../../support/proxy-client.ts'
import { startBed, type Bed, type BedOptions } from '../bed.ts'

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n'
const status = (code: string): string => `HTTP/1.1 ${code} X\r\nContent-Length: 1\r\n\r\na`

const BEDS: Readonly<Record<string, Pick<BedOptions, 'config' | 'secrets'>>> = {
  'nothing to redact': {},
  'secrets to redact': {
    config: { secret_injection: [{ env: 'KEY', inject_to: ['api.test'] }] },
    secrets: { KEY: 'sk-real-value-123456' },
  },
}

for (const [name, options] of Object.entries(BEDS)) {
  test(name, async (t) => {
    let answer = ''
    const bed = await startBed(t, {
      ...options,
      hosts: {
        'api.test': {
          kind: 'tls',
          alpn: ['http/1.1'],
          onConnection: (socket) => socket.once('data', () => socket.end(answer, 'latin1')),
        },
      },
    })
    const session = await http2Session('https://api.test', bed)
    t.after(() => session.destroy())
    const ask = {
      'http/1.1': () => get('https://api.test/', bed),
      h2: () => http2Request(session, { ':path': '/' }),
    }

    for (const protocol of ['http/1.1', 'h2'] as const) {
      for (const code of ['000', '099', '199']) {
        await t.test(`status ${code} is no answer over ${protocol}`, async () => {
          answer = status(code)
          await refused(bed, await ask[protocol]())
        })
      }
      for (const code of ['204', '205', '304']) {
        await t.test(`status ${code} with a length passes without content over ${protocol}`, async () => {
          answer = status(code)
          const response = await ask[protocol]()
          assert.deepEqual([response.status, response.body.length], [Number(code), 0])
        })
      }
      await t.test(`duplicate trailers of one value each arrive over ${protocol}`, async () => {
        answer = `${CHUNKED}ETag: a\r\netag: b\r\n__proto__: c\r\n\r\n`
        const response = await ask[protocol]()
        assert.deepEqual([response.status, response.body.toString()], [200, 'a'])
      })
    }
    await t.test('a status that HTTP/2 does not know is refused there, and passes HTTP/1.1', async () => {
      answer = status('999')
      await refused(bed, await ask.h2())
      assert.equal((await ask['http/1.1']()).status, 999)
    })
    assert.deepEqual(
      bed.messages.filter((message) => message.includes('internal error')),
      [],
    )
  })
}

async function refused(bed: Bed, response: { readonly status: number; readonly body: Buffer }): Promise<void> {
  bed.denied(response, { status: 502, code: 'upstream_protocol', host: 'api.test', blocked: false })
}
