/** The host is started again: the cage comes with it, as it was; every block holds, and what was recorded is one chain. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { agentcage, lab, startInLab, tryAgentcage } from '../lab/lab.ts'
import { createCage, curl, inCage, untilActive } from './support.ts'

const CAGE = 'boot'

before(async () => {
  await agentcage('cage', 'destroy', '-y', CAGE)
  await createCage(
    CAGE,
    { secret_injection: [{ env: 'API_KEY', inject_to: ['allowed.test'], inject_headers: ['authorization'] }] },
    ['-s', 'API_KEY=a-value-of-the-key'],
  )
})

after(async () => {
  await agentcage('cage', 'destroy', '-y', CAGE)
})

test('after a reboot it is there again, with its authority, its placeholders and its log', async () => {
  const held = await inCage(CAGE, 'sh', '-c', 'cat /run/agentcage/ca.pem; echo $API_KEY')
  assert.match(await curl(CAGE, 'https://allowed.test/before'), / 200\[0\]$/)
  await reboot()
  await untilActive(`${CAGE}-dns`, `${CAGE}-proxy`, `${CAGE}-cage`)
  assert.equal(await inCage(CAGE, 'sh', '-c', 'cat /run/agentcage/ca.pem; echo $API_KEY'), held)
  assert.match(await curl(CAGE, 'https://allowed.test/after'), / 200\[0\]$/)
  const { code, stdout } = await tryAgentcage(['cage', 'verify', CAGE])
  assert.equal(code, 0, stdout)
  const records = await agentcage('audit', CAGE, '--json')
  assert.match(records, /"path":"\/before"[^]*"path":"\/after"/)
  assert.match(await agentcage('audit', CAGE, '--verify'), /^(audit chain ok: .*\n){2}$/)
})

/** The lab's own internet ends with it, and is started again like it. */
async function reboot(): Promise<void> {
  for (const command of ['down', 'up']) {
    const { code, stderr } = await lab(command)
    assert.equal(code, 0, stderr)
  }
  const internet = await startInLab('e2e/support/internet.ts')
  if (internet.stdout !== null) await once(internet.stdout, 'data')
  internet.stdout?.destroy()
  internet.unref()
}
