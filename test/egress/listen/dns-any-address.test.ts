import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'

/**
 * In a network namespace where every address is local, one wildcard socket answers queries sent straight to a public
 * resolver. Over IPv4 and over TCP the reply leaves from the address that was asked, so that a client which takes no
 * other (a connected UDP socket, as stub resolvers use) gets it. Over UDP on IPv6 it leaves from ::1.
 */

const run = promisify(execFile)
const NAMESPACE = ['--user', '--map-root-user', '--net', '--', 'sh', '-euc']
const ROUTES = 'ip link set lo up; ip route add local default dev lo; ip -6 route add local default dev lo'

test('queries sent straight to 8.8.8.8 and 2001:4860:4860::8888 end at the egress', async (t) => {
  const missing = await whatIsMissing()
  if (missing !== undefined) return t.skip(missing)
  const source = new URL('../../../src/egress/listen/dns.ts', import.meta.url).href
  const oracle = new URL('../dns/oracle.ts', import.meta.url).href
  const program = `
    import { createSocket } from 'node:dgram'
    import { once } from 'node:events'
    import { connect } from 'node:net'
    import { DnsListener } from ${JSON.stringify(source)}
    import { rawQuery, readWithOracle } from ${JSON.stringify(oracle)}
    await using listener = new DnsListener({
      decide: () => ({ decision: 'blocked', reason: '' }), egressAddress: { ipv4: '198.18.0.1' }, onQuery() {}, onMalformed() {},
    })
    await listener.start({ addresses: [{ address: '::', port: 53 }] })
    const replies = []
    for (const [type, server] of [['udp4', '8.8.8.8'], ['udp6', '2001:4860:4860::8888']]) {
      const udp = createSocket(type)
      udp.send(rawQuery(), 53, server)
      const [reply, from] = await once(udp, 'message')
      udp.close()
      const tcp = connect(53, server)
      tcp.write(Buffer.concat([Buffer.from([0, rawQuery().length]), rawQuery()]))
      const [framed] = await once(tcp, 'data')
      replies.push([from.address, readWithOracle(reply).answers[0].data])
      replies.push([tcp.remoteAddress, readWithOracle(framed.subarray(2)).answers[0].data])
      tcp.destroy()
    }
    console.log(JSON.stringify(replies))`
  const node = [process.execPath, '--input-type=module', '-e', program]
  const { stdout } = await run('unshare', [...NAMESPACE, `${ROUTES}; exec "$@"`, 'sh', ...node], { timeout: 60_000 })
  assert.deepEqual(JSON.parse(stdout), [
    ['8.8.8.8', '198.51.100.1'],
    ['8.8.8.8', '198.51.100.1'],
    ['::1', '198.51.100.1'],
    ['2001:4860:4860::8888', '198.51.100.1'],
  ])
})

async function whatIsMissing(): Promise<string | undefined> {
  try {
    await run('unshare', [...NAMESPACE, ROUTES])
    return undefined
  } catch (error) {
    return `needs unshare, ip and the right to make user and network namespaces: ${String(error).split('\n')[0]}`
  }
}
