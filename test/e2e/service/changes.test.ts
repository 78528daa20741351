/**
 * Changes of a cage that runs: a host put on the list or taken off counts when the command returns, the workload goes on
 * meanwhile, comments stay, and what cannot be put in force is taken back and said.
 */
import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { CommandResult } from '../../support/command.ts'
import { startInternet } from '../../support/internet.ts'
import { withoutCagesOr } from '../support/cage.ts'
import { CageService } from '../support/service.ts'

const PROBE = 'curl -sS -o /dev/null -w %{http_code} https://api.test/'

describe('a running cage', { skip: withoutCagesOr('curl') }, () => {
  test('reaches a host from the moment that domain add returns until domain rm returns', async () => {
    await using internet = await startInternet()
    await internet.server('api.test')
    await using service = await CageService.start({ upstream: internet.upstream })
    const { host } = service
    const probe = async (): Promise<string> => (await host.agentcage(['exec', 'demo', '--', 'sh', '-c', PROBE])).stdout

    assert.equal(await probe(), '403')
    const added = await host.agentcage(['domain', 'add', 'demo', 'API.test'])
    assert.deepEqual(added, { code: 0, stdout: "Added 'api.test' to cage 'demo'. In force.\n", stderr: '' })
    assert.equal(await probe(), '200')
    assert.equal((await host.agentcage(['domain', 'list', 'demo'])).stdout, 'Mode: allowlist\napi.test\n')

    const again = await host.agentcage(['domain', 'add', 'demo', 'api.test'])
    assert.deepEqual(again, { code: 0, stdout: "'api.test' is already in cage 'demo'.\n", stderr: '' })
    assert.equal((await host.agentcage(['domain', 'rm', 'demo', 'api.test'])).code, 0)
    assert.equal(await probe(), '403')
    const missing = await host.agentcage(['domain', 'rm', 'demo', 'api.test'])
    assert.deepEqual(missing, { code: 1, stdout: '', stderr: "error: 'api.test' is not in cage 'demo'\n" })
  })

  test('loses a host again when its time is over', async () => {
    await using internet = await startInternet()
    await internet.server('api.test')
    await using service = await CageService.start({ upstream: internet.upstream })
    const { host } = service
    const { stdout } = await host.agentcage(['domain', 'add', 'demo', 'api.test', '--expires-in', '2s'])
    const end = /until (\S+Z)\. In force\.$/m.exec(stdout)?.[1]
    assert.ok(end !== undefined, stdout)
    // The workload itself asks until it is refused, so that no time of ours matters.
    const loop = `until test "$(${PROBE})" = 403; do :; done; date -u +%FT%TZ`
    const ended = (await host.agentcage(['exec', 'demo', '--', 'sh', '-c', loop])).stdout.trim()
    assert.ok(ended >= end, `${ended} is before ${end}`)
  })

  test('keeps what it has when a change needs a secret that is missing; the text is kept as rejected', async () => {
    await using service = await CageService.start({ domains: { list: ['a.test'] } })
    const { host, deployment } = service
    const before = await readFile(deployment.configPath, 'utf8')
    const wanted = `${before}secret_injection: [{env: NEEDED, inject_to: [a.test]}]\n`
    const { code, stderr } = await edit(service, wanted)
    assert.equal(code, 1)
    assert.match(stderr, /^error: missing secrets for cage 'demo':\n {2}NEEDED\n/)
    assert.equal(await readFile(deployment.configPath, 'utf8'), before)
    assert.equal(await readFile(join(deployment.folder, 'cage.yaml.rejected'), 'utf8'), wanted)
    assert.equal((await host.agentcage(['domain', 'add', 'demo', 'b.test'])).code, 0)
  })

  test('refuses what is wrong, with its place, before anything is written', async () => {
    await using service = await CageService.start({})
    const before = await readdir(service.deployment.folder)
    const { code, stderr } = await edit(service, 'name: demo\nnonsense: 1\n')
    assert.equal(code, 2)
    assert.match(stderr, /^error: cage\.yaml:2:1: unknown key/)
    assert.deepEqual(
      (await readdir(service.deployment.folder)).toSorted(),
      [...before, 'cage.yaml.rejected'].toSorted(),
    )
    const other = await edit(service, 'name: other\n')
    assert.match(other.stderr, /config name 'other' does not match cage 'demo'/)
  })

  test('names what needs a restart, and puts the rest in force', async () => {
    await using service = await CageService.start({})
    const text = `name: demo # mine\ndomains: {list: [a.test]}\ncontainer: {env: {LEVEL: debug}}\n`
    const { code, stdout } = await edit(service, text)
    assert.equal(code, 0)
    assert.match(stdout, /^Changed cage 'demo'\. In force\.\nFrom the next start on .*:\n {2}container\n$/)
    assert.equal(await readFile(service.deployment.configPath, 'utf8'), text)
    assert.deepEqual((await readdir(service.deployment.folder)).toSorted(), [
      'cage.yaml',
      'cage.yaml.bak',
      'deployment.json',
    ])
  })

  test('goes on with the last good configuration when somebody broke the file by hand', async () => {
    await using internet = await startInternet()
    await internet.server('api.test')
    await using service = await CageService.start({ domains: { list: ['api.test'] }, upstream: internet.upstream })
    const good = await readFile(service.deployment.configPath)
    await writeFile(service.deployment.configPath, 'name: [', { mode: 0o600 })
    const { code, stderr } = await service.host.agentcage(['cage', 'reload', 'demo'])
    assert.equal(code, 2, stderr)
    assert.match(stderr, /cage\.yaml:1:/)
    await service.says(/not reloaded, the last good one stays in force/)
    await writeFile(service.deployment.configPath, good, { mode: 0o600 })
    assert.equal((await service.host.agentcage(['cage', 'reload', 'demo'])).code, 0)
    assert.equal((await service.host.agentcage(['exec', 'demo', '--', 'sh', '-c', PROBE])).stdout, '200')
  })
})

describe('a cage that does not run', () => {
  test('is changed all the same', async () => {
    await using service = await CageService.start({ domains: { list: ['a.test'] } })
    await service.stop()
    const { stdout } = await service.host.agentcage(['domain', 'add', 'demo', 'b.test'])
    assert.equal(stdout, "Added 'b.test' to cage 'demo'.\n")
    assert.match(await readFile(service.deployment.configPath, 'utf8'), /b\.test/)
  })
})

/** `cage edit` with an editor that puts this text there. */
async function edit(service: CageService, text: string): Promise<CommandResult> {
  const path = join(service.host.folder, 'wanted.yaml')
  await writeFile(path, text)
  return service.host.agentcage(['cage', 'edit', 'demo'], { env: { EDITOR: `cp ${path}`, VISUAL: '' } })
}
