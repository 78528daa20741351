/**
 * Escapes by open files. A descriptor can be opened again by `/proc/self/fd/N`, past every mount, with the rights of the
 * file itself: so a workload gets no descriptor but its three, and none of those is a file or a folder of the host.
 */
import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { CageHost, withoutCages } from '../support/cage.ts'
import { exitOf } from '../support/exit.ts'

describe('open files', { skip: withoutCages }, () => {
  let host: CageHost
  let precious: string

  before(async () => {
    host = await CageHost.open()
    precious = join(host.home, 'precious')
    writeFileSync(precious, 'precious\n')
  })
  after(() => host[Symbol.asyncDispose]())

  /** Runs a script in a cage whose standard streams are the given files; 'ignore' where none is given. */
  const runWith = async (script: string, files: readonly (string | undefined)[]): Promise<number | null> => {
    const descriptors = files.map((path, index) =>
      path === undefined ? undefined : openSync(path, index === 0 ? 'r' : 'a'),
    )
    const stdio = [0, 1, 2].map((index) => descriptors[index] ?? 'ignore')
    const child = host.spawn(['sh', '-c', script], stdio, ['-q'])
    for (const descriptor of descriptors) if (descriptor !== undefined) closeSync(descriptor)
    return (await exitOf(child))[0]
  }

  test('descriptors that the caller of agentcage left open are not there', async () => {
    const secret = openSync(precious, 'r')
    const folder = openSync(host.home, 'r')
    const child = host.spawn(
      ['sh', '-c', 'cat <&3; ls /proc/self/fd/4/; readlink /proc/$$/fd/*'],
      ['ignore', 'pipe', 'pipe', secret, folder],
    )
    closeSync(secret)
    closeSync(folder)
    const output = (await child.stdout?.toArray())?.join('') ?? ''
    assert.ok(!output.includes('precious'), output)
    assert.ok(!output.includes(host.home), output)
  })

  test('nothing of the host is open but standard input, output and error', async () => {
    const { stdout } = await host.run(['sh', '-c', 'ls -l /proc/$$/fd'], { input: '' })
    // What this test itself inherited is there as /dev/null.
    const open = [...stdout.matchAll(/ (\d+) -> (.*)$/gm)].filter(
      ([, number, target]) => Number(number) > 2 && target !== '/dev/null',
    )
    assert.deepEqual(open, [], stdout)
  })

  test('a file as input can be read and not written', async () => {
    const script = 'read line && test "$line" = precious && echo bad > /proc/self/fd/0'
    await runWith(script, [precious])
    assert.equal(readFileSync(precious, 'utf8'), 'precious\n')
  })

  test('a folder as input leads nowhere', async () => {
    const out = join(host.folder, 'out')
    await runWith('cd /proc/self/fd/0 && ls -a .. precious; cat /proc/self/fd/0/precious; true', [host.home, out])
    assert.ok(!readFileSync(out, 'utf8').includes('precious'))
  })

  test('a file as output can be written and neither read nor cut off', async () => {
    const log = join(host.folder, 'log')
    const errors = join(host.folder, 'errors')
    writeFileSync(log, 'said before\n')
    await runWith('echo said; timeout 1 cat /proc/self/fd/1 >&2; : > /proc/self/fd/1', [undefined, log, errors])
    assert.equal(readFileSync(log, 'utf8'), 'said before\nsaid\n')
    assert.ok(!readFileSync(errors, 'utf8').includes('said before'))
  })

  test('one file for output and errors keeps their order', async () => {
    const log = join(host.folder, 'both')
    await runWith('for i in 1 2 3; do echo out $i; echo error $i >&2; done', [undefined, log, log])
    assert.equal(readFileSync(log, 'utf8'), 'out 1\nerror 1\nout 2\nerror 2\nout 3\nerror 3\n')
  })

  test('large files pass whole, and input need not be read to its end', async () => {
    const large = join(host.folder, 'large')
    const copy = join(host.folder, 'copy')
    writeFileSync(large, Buffer.alloc(8 << 20, 'agentcage\n'))
    assert.equal(await runWith('cat', [large, copy]), 0)
    assert.ok(readFileSync(copy).equals(readFileSync(large)))
    assert.equal(await runWith('head -c 10 > /dev/stdout; exit 7', [large]), 7)
  })
})
