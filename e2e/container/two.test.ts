/** Two cages at once: each has a network, a certificate authority and placeholders of its own, and none sees the other. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { agentcage, asUser } from '../lab/lab.ts'
import { createCage, curl, HOME, inCage } from './support.ts'

before(async () => {
  for (const name of ['one', 'two']) await agentcage('cage', 'destroy', '-y', name)
  await Promise.all([
    createCage('one', { domains: { list: ['one.test'] } }),
    createCage('two', { domains: { list: ['two.test'] } }),
  ])
})

after(async () => {
  for (const name of ['one', 'two']) await agentcage('cage', 'destroy', '-y', name)
})

test('made at the same time, they share nothing', async () => {
  assert.match(await curl('one', 'https://one.test/'), / 200\[0\]$/)
  assert.match(await curl('two', 'https://two.test/'), / 200\[0\]$/)
  assert.match(await curl('one', 'https://two.test/'), /response 403|"blocked":true/)
  assert.notEqual(
    await inCage('one', 'cat', '/run/agentcage/ca.pem'),
    await inCage('two', 'cat', '/run/agentcage/ca.pem'),
  )
})

test('no part of one is reachable from the other, by address or through its own proxy', async () => {
  const network = await networkOf('two')
  for (const address of Object.values(network)) {
    for (const port of [80, 443, 8080, 53]) {
      const direct = await curl('one', `http://${address}:${port}/`, '--noproxy', '*')
      assert.match(direct, / 000\[[1-9]/, `${address}:${port}`)
    }
    assert.match(await curl('one', `http://${address}/`), /"blocked":true/)
  }
})

test('a name or an address that is taken is refused, and the cage stays', async () => {
  await assert.rejects(createCage('one'), /already exists/)
  assert.match(await agentcage('cage', 'list'), /^one +running \(3\/3\)\ntwo +running \(3\/3\)$/m)
})

async function networkOf(name: string): Promise<Readonly<Record<'dns' | 'proxy' | 'cage', string>>> {
  const record = JSON.parse(await asUser('cat', `${HOME}/.config/agentcage/deployments/${name}/deployment.json`)) as {
    readonly network: Readonly<Record<'dns' | 'proxy' | 'cage', string>>
  }
  const { dns, proxy, cage } = record.network
  return { dns, proxy, cage }
}
