/** Of all that Podman says when it cannot publish a port, the port is found. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { takenPort } from '../../../src/isolation/container/taken-port.ts'

test('the address is the one that Podman 5.4 names, among its other lines', () => {
  const lines = [
    'Starting p-proxy.service - p: proxy of the cage...',
    'Error: rootlessport listen tcp 127.0.0.1:18080: bind: address already in use',
    "p-proxy.service: Failed with result 'exit-code'.",
  ]
  assert.equal(takenPort(lines), '127.0.0.1:18080')
  assert.equal(takenPort(lines.slice(2)), undefined)
})
