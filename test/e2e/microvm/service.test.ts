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
import { proveCage } from '../../../src/cage/verify/verify.ts'
import type { CommandResult } from '../../support/command.ts'
import { missingTools } from '../../support/requires.ts'
import { TYPIST } from '../../support/typist.ts'
import { PROGRAM } from '../../support/program.ts'
import { CageHost } from '../support/cage.ts'
import { keepKernel, MACHINE, PATIENCE, SUITE_PATIENCE, withoutMachinesOr } from '../support/machine.ts'
import { CageService } from '../support/service.ts'

const timeout = PATIENCE

describe(
  'a service in a machine',
  { skip: withoutMachinesOr('curl', 'fallocate', 'python3') || missingTools('mkfs.ext4'), timeout: SUITE_PATIENCE },
  () => {
    let service: CageService
    before(
      async () => {
        const command = ['sh', '-c', 'trap "echo ended > end; exit 0" TERM; echo $$ > pid; sleep 3600 & wait']
        const host = await CageHost.open()
        await keepKernel(host)
        service = await CageService.start(
          { ...MACHINE, microvm: { ...MACHINE.microvm, disk_mb: 300 }, container: { command } },
          host,
        )
      },
      { timeout },
    )
    after(() => service[Symbol.asyncDispose](), { timeout })

    const exec = (script: string, input?: string): Promise<CommandResult> =>
      service.host.agentcage(['exec', 'demo', '--', 'sh', '-c', script], input === undefined ? {} : { input })

    test(
      'lets others into its one machine, with input, output, errors, an exit code and the egress',
      { timeout },
      async () => {
        const { code, stdout, stderr } = await exec(
          `cat; curl -s -m 60 -o /dev/null -w '%{http_code}\n' http://unlisted.example/; echo problem >&2
      until test -s pid; do sleep 0.1; done; tr "\\0" " " < /proc/$(cat pid)/cmdline; exit 5`,
          'said\n',
        )
        assert.equal(code, 5, stderr)
        assert.match(stdout, /^said\n403\nsh -c trap "echo ended/)
        assert.equal(stderr, 'problem\n')
      },
    )

    test('is proven from inside: the network leads nowhere else, and the kernel is its own', { timeout }, async () => {
      const sections = await proveCage(service.deployment)
      const failed = sections.flatMap(({ checks }) => checks).filter(({ status }) => status === 'fail')
      // An emulated guest on a busy host may be later than an answer is waited for.
      assert.deepEqual(
        failed.filter(({ text: said }) => !said.includes('(timeout)')),
        [],
      )
      const { checks = [] } = sections.find(({ title }) => title === 'Confinement') ?? {}
      assert.ok(checks.some(({ text: said }) => said.startsWith('Has a kernel of its own')))
    })

    test('has a disk for what is written outside of the project, up to its size', { timeout }, async () => {
      const { stdout, stderr } = await exec(`
      head -c 20M /dev/zero > /var/tmp/x; fallocate -l 250M /var/tmp/y && echo fits; fallocate -l 250M /var/tmp/z || echo full
      stat -c %s /var/tmp/x; rm /var/tmp/[xyz]`)
      assert.equal(stdout, 'fits\nfull\n20971520\n')
      assert.match(stderr, /No space left on device/)
    })

    test('takes a command’s output to the last byte, and input that nobody reads', { timeout }, async () => {
      const { code, stdout } = await exec('setsid sleep 601 & head -c 600000 /dev/zero', 'never read'.repeat(20_000))
      assert.equal(code, 0)
      assert.equal(stdout.length, 600_000)
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
      // The second has another device.
      for (const turn of [1, 2]) {
        const typist = ['-c', TYPIST, JSON.stringify([argv, steps])]
        const child = service.host.start('/usr/bin/python3', typist, ['ignore', 'pipe', 'inherit'])
        const out = (await text(child.stdout as Readable)).replaceAll('\r', '')
        assert.match(out, /30 90\nready[^]*caught[^]*resized[^]*read more\n/, `turn ${turn}`)
        assert.match(out, /steps left: 0/)
      }
    })

    test('takes three at once, passes signals on, and ends the command of who goes away', { timeout }, async () => {
      // Their places, in turn, are those of the commands above, of which nothing is left.
      const begin = 'cat; trap "echo caught; exit 9" TERM; echo ready'
      const [first, second, third] = await Promise.all([
        started(`pgrep -f "sleep 60[1]"; ${begin}; sleep 603 & wait`, 'first\n'),
        started(`${begin}; sleep 603 & wait`, 'second\n'),
        started(`${begin}; exec sleep 602`, 'third\n'),
      ])
      const { code, stderr } = await exec('true')
      assert.equal(code, 1)
      assert.match(stderr, /the machine has 3 commands beside its own already/)
      for (const { child } of [first, second]) child.kill('SIGTERM')
      assert.deepEqual((await Promise.all([first.closed, second.closed])).flat(), [9, null, 9, null])
      assert.deepEqual(
        [first, second, third].map(({ output }) => output()),
        ['first\nready\ncaught\n', 'second\nready\ncaught\n', 'third\nready\n'],
      )
      third.child.kill('SIGKILL')
      const gone = await exec('while pgrep -f "sleep 60[2]" >/dev/null; do sleep 0.1; done; echo gone')
      assert.equal(gone.stdout, 'gone\n')
    })

    /** A command in the machine that has said that it is ready. */
    async function started(script: string, input: string) {
      const args = [PROGRAM, 'exec', 'demo', '--', 'sh', '-c', script]
      const child = service.host.start(process.execPath, args, ['pipe', 'pipe', 'inherit'])
      const closed = once(child, 'close')
      child.stdin?.end(input)
      let seen = ''
      const ready = new Promise<void>((resolve) => {
        child.stdout?.setEncoding('utf8').on('data', (part: string) => {
          seen += part
          if (seen.includes('ready')) resolve()
        })
      })
      await Promise.race([ready, closed])
      return { child, closed, output: (): string => seen }
    }

    test('ends', { timeout }, async () => {
      assert.equal(await service.stop(), 0)
      assert.equal(readFileSync(join(service.host.project, 'end'), 'utf8'), 'ended\n')
      assert.ok(!existsSync(join(service.deployment.stateFolder, 'running.json')))
    })
  },
)
