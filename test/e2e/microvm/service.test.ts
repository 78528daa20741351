/**
 * A cage that stays, in a machine: its supervisor serves as that of a process does, `exec` runs in the machine beside its
 * workload, and the end of the one is the end of the other.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import type { CommandResult } from '../../support/command.ts'
import { TYPIST } from '../../support/typist.ts'
import { PROGRAM } from '../../support/program.ts'
import { MACHINE, PATIENCE, SUITE_PATIENCE, withoutMachinesOr } from '../support/machine.ts'
import { CageService } from '../support/service.ts'

const timeout = PATIENCE

describe('a service in a machine', { skip: withoutMachinesOr('curl', 'python3'), timeout: SUITE_PATIENCE }, () => {
  let service: CageService
  before(
    async () => {
      const command = ['sh', '-c', 'trap "echo ended > end; exit 0" TERM; echo $$ > pid; while :; do sleep 0.1; done']
      service = await CageService.start({ ...MACHINE, container: { command } })
    },
    { timeout },
  )
  after(() => service[Symbol.asyncDispose](), { timeout })

  const exec = (script: string, input?: string): Promise<CommandResult> =>
    service.host.agentcage(['exec', 'demo', '--', 'sh', '-c', script], input === undefined ? {} : { input })

  test('lets others in, with input, output, errors, an exit code and the egress', { timeout }, async () => {
    const { code, stdout, stderr } = await exec(
      `cat; curl -s -m 60 -o /dev/null -w '%{http_code}' http://unlisted.example/; echo problem >&2; exit 5`,
      'said\n',
    )
    assert.equal(code, 5, stderr)
    assert.equal(stdout, 'said\n403')
    assert.equal(stderr, 'problem\n')
  })

  test('is one machine for all of them', { timeout }, async () => {
    const { stdout } = await exec('until test -s pid; do sleep 0.1; done; tr "\\0" " " < /proc/$(cat pid)/cmdline')
    assert.match(stdout, /^sh -c trap "echo ended/)
  })

  test('takes what a command left running with it, and its output to the last byte', { timeout }, async () => {
    const { code, stdout } = await exec('setsid sleep 601 & head -c 600000 /dev/zero', 'never read'.repeat(20_000))
    assert.equal(code, 0)
    assert.equal(stdout.length, 600_000)
    // The next commands get the same ports, in turn.
    for (const turn of ['first', 'second', 'third'])
      assert.equal((await exec(`cat; pgrep -f "sleep 60[1]"`, turn)).stdout, turn)
  })

  test('passes signals on', { timeout }, async () => {
    const script = 'trap "echo caught; exit 9" TERM; echo ready; while :; do sleep 0.1; done'
    const args = [PROGRAM, 'exec', 'demo', '--', 'sh', '-c', script]
    const child = service.host.start(process.execPath, args, ['ignore', 'pipe', 'inherit'])
    const closed = once(child, 'close')
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      if (output === '' && part.includes('ready')) child.kill('SIGTERM')
      output += part
    })
    assert.deepEqual(await closed, [9, null])
    assert.equal(output, 'ready\ncaught\n')
  })

  test('gives them terminals, which follow the size of their own', { timeout }, async () => {
    const script = `stty size; trap "echo caught; caught=1" INT; echo ready
      until test "$caught"; do sleep 0.1; done
      until test "$(stty size)" = "40 100"; do sleep 0.1; done; echo resized; read x; echo "read $x"; exit 7`
    const argv = [process.execPath, PROGRAM, 'exec', 'demo', '--', 'sh', '-c', script]
    const steps = [
      ['ready', '\x03'],
      ['caught', { rows: 40, columns: 100 }],
      ['resized', 'more\r'],
    ]
    for (const turn of [1, 2]) {
      const typist = ['-c', TYPIST, JSON.stringify([argv, steps])]
      const child = service.host.start('/usr/bin/python3', typist, ['ignore', 'pipe', 'inherit'])
      const out = (await text(child.stdout as Readable)).replaceAll('\r', '')
      assert.match(out, /30 90\nready[^]*caught[^]*resized[^]*read more\n/, `turn ${turn}`)
      assert.match(out, /steps left: 0/)
    }
  })

  test('ends the command of who goes away', { timeout }, async () => {
    const args = [PROGRAM, 'exec', 'demo', '--', 'sh', '-c', 'echo begun; sleep 602']
    const child = service.host.start(process.execPath, args, ['ignore', 'pipe', 'inherit'])
    await once(child.stdout?.resume() as Readable, 'data')
    child.kill('SIGKILL')
    assert.equal(
      (await exec('while pgrep -f "sleep 60[2]" >/dev/null; do sleep 0.1; done; echo gone')).stdout,
      'gone\n',
    )
  })

  test('says so when all places are taken', { timeout }, async () => {
    const args = [PROGRAM, 'exec', 'demo', '--', 'sh', '-c', 'echo begun; sleep 603']
    const children = [1, 2, 3].map(() => service.host.start(process.execPath, args, ['ignore', 'pipe', 'inherit']))
    await Promise.all(children.map((child) => once(child.stdout?.resume() as Readable, 'data')))
    const { code, stderr } = await exec('true')
    assert.equal(code, 1)
    assert.match(stderr, /the machine has 3 commands beside its own already/)
    for (const child of children) child.kill('SIGKILL')
  })

  test('ends', { timeout }, async () => {
    assert.equal(await service.stop(), 0)
    assert.equal(readFileSync(join(service.host.project, 'end'), 'utf8'), 'ended\n')
    assert.ok(!existsSync(join(service.deployment.stateFolder, 'running.json')))
  })
})
