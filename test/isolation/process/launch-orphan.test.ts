/*
 * A supervisor that is killed takes everything with it: no process of the cage and no listening socket stays, whatever
 * the workload does about signals.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { withoutCages } from './real-cage.ts'

const SUPERVISOR = `
import { openMoat } from ${JSON.stringify(import.meta.resolve('../../../src/isolation/process/moat.ts'))}
import { launchWorkload } from ${JSON.stringify(import.meta.resolve('../../../src/isolation/process/launch.ts'))}
import { plainPlan, PROXY } from ${JSON.stringify(import.meta.resolve('./real-cage.ts'))}
const moat = await openMoat({ tcpPorts: [443], proxy: PROXY })
const script = 'trap "" HUP INT TERM QUIT; setsid sleep 1000 & (setsid sh -c "sleep 1000 & sleep 1000") & sleep 1000'
const workload = await launchWorkload(plainPlan(['sh', '-c', script]), moat, { stdio: ['ignore', 'ignore', 'ignore'] })
console.log(workload.pid)
await workload.exited`

test('killed with SIGKILL, the supervisor leaves nothing behind', { skip: withoutCages }, async () => {
  const supervisor = spawn(process.execPath, ['--input-type=module', '-e', SUPERVISOR], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [pid] = (await once(createInterface(supervisor.stdout), 'line')) as [string]
  const network = namespaceOf(pid)
  assert.ok(network !== undefined && network !== namespaceOf('self'))
  assert.ok(inNamespace(network).length > 0)
  supervisor.kill('SIGKILL')
  await once(supervisor, 'exit')
  while (inNamespace(network).length > 0) await new Promise(setImmediate) // The test's time limit ends a wait in vain.
  assert.deepEqual(inNamespace(network), [])
})

/** Undefined when the process is gone. */
function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch {
    return undefined
  }
}

function inNamespace(network: string): readonly string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && namespaceOf(name) === network)
}
