/** `run SCAFFOLD`: the agent's configuration comes along, and whatever runs has its placeholder and nothing else. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CageHost, withoutCages } from '../support/cage.ts'

describe('run SCAFFOLD', { skip: withoutCages }, () => {
  test('takes another command, and gives it the placeholder of the agent', async () => {
    await using host = await CageHost.open({ env: { OPENAI_API_KEY: 'live-value-of-the-key' } })
    const { code, stdout, stderr } = await host.agentcage(['run', 'codex', '--', 'sh', '-c', 'echo $OPENAI_API_KEY'])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^\S+\n$/)
    assert.doesNotMatch(stdout, /live-value/)
  })

  test('gives arguments to the command of the agent', async () => {
    await using host = await CageHost.open({ env: { GEMINI_API_KEY: 'live-value-of-the-key' } })
    const { code, stderr } = await host.agentcage(['run', 'gemini', '--version'])
    // It is not installed, which the cage says of the program that it looked for.
    assert.equal(code, 127, stderr)
    assert.match(stderr, /gemini: not found in the cage/)
  })

  test('says which secret is missing, and starts nothing', async () => {
    await using host = await CageHost.open()
    const { code, stderr } = await host.agentcage(['run', 'claude-code'])
    assert.equal(code, 1)
    assert.match(stderr, /missing secrets/)
    assert.match(stderr, /ANTHROPIC_API_KEY/)
  })

  test('--list names them', async () => {
    await using host = await CageHost.open()
    const { code, stdout } = await host.agentcage(['run', '--list'])
    assert.equal(code, 0)
    assert.match(stdout, /^SCAFFOLD +ISOLATION RUNS\nclaude-code +process +/)
  })
})
