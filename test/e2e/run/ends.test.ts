/**
 * How `run` ends when it does not end by its command: a signal during the start, a defect of the egress, a request that
 * cannot be meant. Nothing that was made for the cage is left, and the last line says what happened.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { PROGRAM } from '../../support/program.ts'
import { CageHost, withoutCages } from '../support/cage.ts'

describe('run', { skip: withoutCages }, () => {
  test('ends with 128 + N by a signal during the start, whenever it comes, and leaves nothing', async () => {
    for (const delay of [150, 250, 350, 450, 550]) {
      await using host = await CageHost.open()
      const temporary = join(host.folder, 'tmp')
      await mkdir(temporary)
      const child = spawn(process.execPath, [PROGRAM, 'run', '--project', host.project, '--', 'sleep', '60'], {
        cwd: host.project,
        env: { ...host.env, TMPDIR: temporary },
        stdio: 'ignore',
      })
      const exited = once(child, 'exit')
      setTimeout(() => child.kill('SIGTERM'), delay)
      const [code, signal] = (await exited) as [number | null, NodeJS.Signals | null]
      // Before the program has begun to listen, the signal itself ends it.
      assert.ok(code === 143 || signal === 'SIGTERM', `after ${delay} ms: ${code} ${signal}`)
      assert.deepEqual(await readdir(temporary), [], `after ${delay} ms`)
      assert.deepEqual(await readdir(host.project), [], `after ${delay} ms`)
    }
  })

  test('ends the workload when the egress has a defect, and names what it left all the same', async () => {
    await using host = await CageHost.open()
    const defect = `
      const { existsSync } = await import('node:fs')
      if (process.argv[2] === 'run')
        setInterval(() => { if (existsSync('started')) throw new Error('a defect') }, 50).unref()`
    const { code, stderr } = await host.run(['sh', '-c', 'mkdir sub; echo evil >sub/.envrc; touch started; sleep 60'], {
      env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(defect)}` },
    })
    assert.equal(code, 1, stderr)
    assert.match(stderr, /error: the egress failed and the workload was ended: a defect/)
    assert.match(stderr, /warning: \S+\/sub\/\.envrc .*; look at it before you use it outside the cage/)
    assert.deepEqual((await readdir(host.project)).toSorted(), ['started', 'sub'])
  })
})

describe('run starts nothing', () => {
  const cases = [
    {
      what: 'for a secret whose host is not known',
      args: ['-s', 'MY_TOKEN=abcdefgh12345678'],
      code: 2,
      says: /which host is it for/,
    },
    {
      what: 'for a secret without a value',
      args: ['-s', 'ANTHROPIC_API_KEY'],
      code: 1,
      says: /missing secrets for cage 'project'/,
    },
    { what: 'for a project that is the home', args: ['--project', '..'], code: 2, says: /home/ },
  ]
  for (const { what, args, code, says } of cases) {
    test(what, { skip: withoutCages }, async () => {
      await using host = await CageHost.open()
      const result = await host.agentcage(['run', ...args, '--', 'touch', 'ran'])
      assert.equal(result.code, code, result.stderr)
      assert.match(result.stderr, says)
      assert.deepEqual(await readdir(host.project), [])
    })
  }

  test('for containers where there is no Podman of this user', async () => {
    await using host = await CageHost.open({ config: { isolation: 'container', container: { image: 'node:24' } } })
    const { code, stderr } = await host.run(['true'])
    assert.equal(code, 1)
    assert.match(stderr, /needs Podman|without privileges|podman does not work|too old/)
  })

  test('for --allow where the list says what is blocked', async () => {
    await using host = await CageHost.open({ config: { domains: { mode: 'blocklist', list: ['evil.test'] } } })
    const { code, stderr } = await host.agentcage(['run', '-c', host.configPath, '--allow', 'api.test', '--', 'true'])
    assert.equal(code, 2)
    assert.match(stderr, /--allow does nothing with domains.mode: blocklist/)
  })
})
