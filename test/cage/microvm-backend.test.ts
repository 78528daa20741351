/*
 * Making a cage asks the host for the VMM that its configuration names, and for no other.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { deploymentOf, type Deployment } from '../../src/cage/deployment.ts'
import { microvmBackend } from '../../src/cage/microvm-backend.ts'
import { parseConfig } from '../../src/config/load.ts'
import { withFolder } from '../support/temporary.ts'

const FIRECRACKER = '{vmm: firecracker, image: image.tar, kernel: none, firecracker_bin: ./firecracker}'

test('Firecracker, by its path from the folder that the cage was made in', async (t) => {
  const folder = await withFolder(t)
  const deciding = async (): Promise<unknown> => microvmBackend.decide(draft(folder, FIRECRACKER), [])
  const message = `${join(folder, 'firecracker')} is not installed`
  await assert.rejects(deciding(), { name: 'CageError', code: 'host_unsupported', message })
})

test('QEMU otherwise', async (t) => {
  const folder = await withFolder(t)
  const deciding = async (): Promise<unknown> => microvmBackend.decide(draft(folder, '{kernel: none}'), [])
  await assert.rejects(deciding(), { name: 'CageError', code: 'host_unsupported', message: /QEMU|no kernel/ })
})

function draft(folder: string, microvm: string): Deployment {
  const now = '2026-01-31T18:00:00.000Z'
  return deploymentOf({
    name: 'demo',
    config: parseConfig(`name: demo\nisolation: microvm\nmicrovm: ${microvm}\n`, 'cage.yaml'),
    environment: { HOME: folder },
    record: {
      version: 1,
      isolation: 'microvm',
      created: now,
      updated: now,
      agentcage: '0.1.0',
      source: join(folder, 'cage.yaml'),
      working_directory: folder,
      project: folder,
      environment: {},
      inspectors: {},
    },
  })
}
