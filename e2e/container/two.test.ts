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
  const addresses = Object.values(await networkOf('two'))
  const others = addresses.flatMap((address) => [80, 443, 8080, 53].map((port) => `${address}:${port}`))
  const own = `${(await networkOf('one')).proxy}:8080`
  const dial = `for to; do nc -w 3 "\${to%:*}" "\${to#*:}" < /dev/null > /dev/null 2>&1 && echo "$to"; done; true`
  assert.equal(await inCage('one', 'sh', '-c', dial, 'dial', ...others, own), `${own}\n[0]`)
  const ask = `for to; do curl --silent "http://$to/"; done`
  const answers = await inCage('one', 'sh', '-c', ask, 'ask', ...addresses)
  assert.equal(answers.match(/"blocked":true/g)?.length, addresses.length, answers)
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
