/**
 * `exec` in a cage that stays: another workload of the same cage. It has the same network, mounts, filter and identity, no
 * more, and the terminal, streams and exit code of who asked.
 */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { run } from '../../support/command.ts'
import { missingTools } from '../../support/requires.ts'
import { CageHost, withoutCages } from '../support/cage.ts'
import { PROGRAM } from '../../support/program.ts'
import { exitOf } from '../support/exit.ts'
import { CageService } from '../support/service.ts'

describe('exec', { skip: withoutCages }, () => {
  let service: CageService

  before(async () => {
    service = await CageService.start(
      {
        secret_injection: [
          { env: 'API_TOKEN', placeholder: 'placeholder-1', inject_to: ['api.test'], source: 'file:./token' },
        ],
        container: { command: ['sh', '-c', 'echo from the workload > made; exec sleep infinity'] },
      },
      await hostWithToken(),
    )
  })

  after(() => service[Symbol.asyncDispose]())

  const exec = (...command: string[]) => service.host.agentcage(['exec', 'demo', '--', ...command])

  test('sees the files of the workload, and placeholders in the environment', async () => {
    const { code, stdout, stderr } = await exec('sh', '-c', 'pwd; cat made; echo $API_TOKEN')
    assert.equal(code, 0, stderr)
    assert.equal(stdout, `${service.host.project}\nfrom the workload\nplaceholder-1\n`)
  })

  test("passes on input, output, errors and the command's exit code", async () => {
    const result = await service.host.agentcage(['exec', 'demo', 'sh', '-c', 'cat; echo bad >&2; exit 7'], {
      input: 'in',
    })
    assert.deepEqual(result, { code: 7, stdout: 'in', stderr: 'bad\n' })
    assert.equal((await exec('sh', '-c', 'kill -TERM $$')).code, 143)
    assert.equal((await exec('no-such-program')).code, 127)
  })

  test('flags after the name belong to the command', async () => {
    assert.equal((await service.host.agentcage(['cage', 'exec', 'demo', 'echo', '-s', '--help'])).stdout, '-s --help\n')
  })

  test('is confined as the workload is', async () => {
    const script = `
      grep -E '^(Cap(Eff|Bnd|Prm)|NoNewPrivs|Seccomp):' /proc/self/status
      ip route add default dev lo 2>&1 | tail -1
      touch /usr/x 2>&1
      ls ${join(service.host.home, '.config')} 2>&1
      readlink /proc/self/ns/net`
    const { stdout } = await exec('sh', '-c', script)
    assert.match(stdout, /CapPrm:\t0+\nCapEff:\t0+\nCapBnd:\t0+\nNoNewPrivs:\t1\nSeccomp:\t2\n/)
    assert.match(stdout, /Operation not permitted/)
    assert.match(stdout, /Read-only file system/)
    assert.match(stdout, /No such file or directory/)
    const workload = await run('sh', [
      '-c',
      `for p in $(pgrep -f '^sleep infinity'); do readlink /proc/$p/ns/net; done`,
    ])
    assert.ok(
      workload.stdout.split('\n').includes(stdout.trim().split('\n').at(-1) ?? '?'),
      'another network than the workload',
    )
  })

  test('has the terminal of who asked', { skip: missingTools('script') }, async () => {
    const command = `${process.execPath} ${PROGRAM} exec demo -- sh -c 'test -t 0 && test -t 1 && stty size && exit 9'`
    const { code, stdout } = await run('script', ['-qec', command, '/dev/null'], { env: service.host.env })
    assert.equal(code, 9, stdout)
  })

  test('refuses what is no cage, and the side of the egress', async () => {
    const unknown = await service.host.agentcage(['exec', 'other', '--', 'true'])
    assert.deepEqual([unknown.code, /^error: cage 'other' does not exist$/m.test(unknown.stderr)], [1, true])
    const egress = await service.host.agentcage(['exec', 'demo', '-s', 'egress', '--', 'true'])
    assert.equal(egress.code, 2)
  })
})

describe('exec in a cage that ended', { skip: withoutCages }, () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`by ${signal} says how to start it`, async () => {
      await using service = await CageService.start({})
      service.child.kill(signal)
      await exitOf(service.child)
      const { code, stderr } = await service.host.agentcage(['exec', 'demo', '--', 'true'])
      assert.equal(code, 1)
      assert.equal(stderr, "error: cage is not running — start it with 'agentcage cage start demo' first\n")
    })
  }
})

async function hostWithToken(): Promise<CageHost> {
  const host = await CageHost.open()
  await writeFile(join(host.folder, 'token'), 'live-value-of-the-token', { mode: 0o600 })
  return host
}
