/** The network of a cage overlaps nothing that is known: other cages, networks of Podman's, routes of the host. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseNetwork, routedRanges } from '../../../src/isolation/container/subnet.ts'
import { CageError } from '../../../src/errors.ts'

test('a name has a network of its own, mostly the same one', () => {
  const network = chooseNetwork('demo', [])
  assert.deepEqual(chooseNetwork('demo', []), network)
  assert.match(network.subnet, /^10\.89\.\d{1,3}\.0\/24$/)
  const prefix = network.subnet.slice(0, -4)
  assert.deepEqual(network, {
    subnet: `${prefix}0/24`,
    gateway: `${prefix}1`,
    cage: `${prefix}2`,
    dns: `${prefix}10`,
    proxy: `${prefix}11`,
  })
})

test('what overlaps is passed over: the same, a part of it, and what holds it', () => {
  const first = chooseNetwork('demo', []).subnet
  const inner = first.replace('.0/24', '.128/25')
  const outer = `${first.split('.').slice(0, 2).join('.')}.${Number(first.split('.')[2]) & ~1}.0/23`
  for (const taken of [first, inner, outer]) {
    const other = chooseNetwork('demo', [taken])
    assert.notEqual(other.subnet, first, taken)
  }
  assert.equal(chooseNetwork('demo', ['0.0.0.0/0', 'fd00::/8', 'nonsense']).subnet, first)
})

test('256 cages, and then it says so', () => {
  const taken: string[] = []
  for (let cage = 0; cage < 256; cage++) taken.push(chooseNetwork(`cage-${cage}`, taken).subnet)
  assert.equal(new Set(taken).size, 256)
  assert.throws(
    () => chooseNetwork('more', taken),
    (error) => error instanceof CageError && error.code === 'host_unsupported',
  )
  assert.throws(() => chooseNetwork('more', ['10.0.0.0/8']), CageError)
})

test('the routing table is read as the kernel writes it', () => {
  const table = [
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
    'eth0\t00000000\t0100580A\t0003\t0\t0\t100\t00000000\t0\t0\t0',
    'tun0\t0007590A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
    '',
  ]
  assert.deepEqual(routedRanges(table.join('\n')), ['0.0.0.0/0', '10.89.7.0/24'])
  assert.deepEqual(routedRanges(''), [])
})
