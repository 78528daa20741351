/*
 * What a workload finds around it: no capabilities and no way to new ones, process ids of its own, no descriptors but
 * three, nothing of the host's environment, and masks that hold.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { withFolder } from '../../support/temporary.ts'
import { PLAIN_MOUNTS, plainPlan, runInCage, runScript, withMoat, withoutCages } from './real-cage.ts'

const skip = withoutCages

test('inside: no capabilities, no new privileges, own process ids, own host name', { skip }, async (t) => {
  const moat = await withMoat(t)
  const { stdout } = await runScript(
    'cat /proc/self/status; hostname; echo "uid $(id -u) gid $(id -g)"; echo pid $$',
    moat,
  )
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
    assert.match(stdout, new RegExp(`^${set}:\\s+0{16}$`, 'm'))
  assert.match(stdout, /^NoNewPrivs:\s+1$/m)
  assert.match(stdout, /^Seccomp:\s+2$/m)
  assert.match(stdout, /^agentcage$/m)
  assert.match(stdout, new RegExp(`^uid ${process.getuid?.()} gid ${process.getgid?.()}$`, 'm'))
  assert.match(stdout, /^pid 2$/m)
})

test('inside: no descriptor but the three, even when our caller left some open', { skip }, async (t) => {
  const folder = await withFolder(t)
  const script = `
    import { openMoat } from ${JSON.stringify(import.meta.resolve('../../../src/isolation/process/moat.ts'))}
    import { plainPlan, PROXY, runInCage } from ${JSON.stringify(import.meta.resolve('./real-cage.ts'))}
    const moat = await openMoat({ tcpPorts: [443], proxy: PROXY })
    const { stdout } = await runInCage(plainPlan(['sh', '-c', 'for f in /proc/self/fd/*; do readlink "$f"; done; true']), moat)
    process.stdout.write(stdout)
    moat.close()`
  const left = openSync(folder, 'r')
  t.after(() => closeSync(left))
  const stdio = Array.from({ length: 61 }, (_, index) => (index === 60 ? left : index < 3 ? 'pipe' : 'ignore')) as (
    | 'pipe'
    | 'ignore'
    | number
  )[]
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    stdio,
    encoding: 'utf8',
  })
  const descriptors = stdout.split('\n').filter(Boolean)
  assert.ok(descriptors.length >= 3, stderr)
  assert.deepEqual(
    descriptors.filter((target) => !/^(?:pipe|socket):|^\/dev\/null$|^\/proc\//.test(target)),
    [],
  )
  assert.ok(!stdout.includes(folder))
})

test('inside: nothing of our environment, not even in the first process’s', { skip }, async (t) => {
  const moat = await withMoat(t)
  const { stdout } = await runScript('tr "\\0" "\\n" </proc/1/environ; echo; tr "\\0" " " </proc/1/cmdline', moat)
  assert.match(stdout, /^(?:PWD=\/\n)?\n/)
  for (const name of ['HOME', 'PATH', 'USER']) assert.ok(!stdout.includes(`${name}=`))
})

test('masked files are empty, masked folders too, and neither can be written', { skip }, async (t) => {
  const folder = await withFolder(t)
  const mounts = [
    ...PLAIN_MOUNTS,
    { kind: 'mask', target: '/etc/passwd', over: 'file' },
    { kind: 'mask', target: '/etc/ssl', over: 'directory' },
    { kind: 'mask', target: folder, over: 'directory' },
  ] as const
  const moat = await withMoat(t)
  const plan = plainPlan(
    [
      'sh',
      '-c',
      `wc -c </etc/passwd; ls -A /etc/ssl; ls -A ${folder}; echo x >/etc/passwd; echo x >${folder}/x; chmod u+w ${folder}; rm -rf ${folder} /etc/passwd`,
    ],
    { mounts: mounts.filter(({ target }) => target !== '/tmp') },
  )
  const { stdout, stderr } = await runInCage(plan, moat)
  assert.equal(stdout.trim(), '0')
  assert.equal(stderr.trim().split('\n').length, 5, stderr)
  assert.ok(readFileSync('/etc/passwd', 'utf8').length > 0)
})
