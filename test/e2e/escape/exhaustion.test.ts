/** Escapes by force: a workload that takes processes or memory without end is held, where the host can hold it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CageHost, withoutCagesOr } from '../support/cage.ts'

const FORK = `
import os, time
made = 0
try:
    while made < 1000:
        if os.fork() == 0:
            time.sleep(1000)
        made += 1
except BlockingIOError:
    pass
print(made)
`

const ALLOCATE = `
blocks = []
for _ in range(64):
    blocks.append(bytearray(b"x") * (16 << 20))
print("took 1 GiB")
`

test(
  'processes without end stop at the limit, and all end with the command',
  { skip: withoutCagesOr('python3') },
  async (t) => {
    await using host = await CageHost.open({ config: { container: { pids: 64 } } })
    const { code, stdout, stderr } = await host.run(['python3', '-c', FORK])
    if (stderr.includes('number of processes in the workload is not limited'))
      return t.skip('this host cannot limit processes')
    assert.equal(code, 0, stderr)
    assert.ok(Number(stdout) < 64, stdout)
  },
)

test('memory without end ends the workload alone', { skip: withoutCagesOr('python3') }, async (t) => {
  await using host = await CageHost.open({ config: { container: { memory: '128m' } } })
  const { code, stdout, stderr } = await host.run(['python3', '-c', ALLOCATE])
  if (stderr.includes('memory of the workload is not limited')) return t.skip('this host cannot limit memory')
  assert.notEqual(code, 0, stdout)
  assert.equal(stdout, '')
})
