/**
 * What `agentcage egress` refuses before it serves, with the reason and what to do; and DNS where it is asked over IPv6.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { Resolver } from 'node:dns/promises'
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { run } from '../support/command.ts'
import { openSecretStore } from '../../src/secrets/store.ts'
import { startEgress, type EgressProcess } from '../support/egress-process.ts'
import { withFolder } from '../support/temporary.ts'
import { COMPILED, PROGRAM } from '../support/program.ts'

test('a question over IPv6 is answered', async (t) => {
  const egress = await startEgress(t, { domains: { list: ['api.test'] } }, { args: ['--dns', '[::1]:0'] })
  const port = Number(egress.dns.slice(egress.dns.lastIndexOf(':') + 1))
  const socket = createSocket('udp6')
  t.after(() => socket.close())
  const question = Buffer.from('1234010000010000000000000361706904746573740000010001', 'hex')
  socket.send(question, port, '::1')
  const [reply] = (await once(socket, 'message')) as [Buffer]
  assert.equal(reply.readUInt16BE(0), 0x1234)
  assert.equal(reply.readUInt8(3) & 15, 0)
  await egress.stop()
})

test('DNS alone answers with the address it is given, and has neither an authority nor secrets', async (t) => {
  const folder = await withFolder(t)
  const config =
    'domains: {list: [api.test]}\nsecret_injection: [{env: KEY, inject_to: [api.test]}]\nupstream: {ca_file: /nonexistent}\n'
  await writeFile(join(folder, 'cage.yaml'), config)
  const args = ['egress', '-c', 'cage.yaml', '--state', 'state', '--dns', '127.0.0.1:0', '--answer', '10.89.7.11']
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, ...COMPILED },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const ready = JSON.parse(line) as { readonly dns: string; readonly ca_certificate?: string }
  assert.equal(ready.ca_certificate, undefined)
  assert.equal((await readdir(join(folder, 'state'))).includes('ca'), false)
  const resolver = new Resolver()
  resolver.setServers([ready.dns])
  assert.deepEqual(await resolver.resolve4('www.api.test'), ['10.89.7.11'])
  assert.deepEqual(await resolver.resolve4('elsewhere.test'), ['198.51.100.1'])
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [0, null])
})

test('the authority lies where it is told to, and what may be known of it where the workload finds it', async (t) => {
  const folder = await withFolder(t)
  const [ca, trust] = [join(folder, 'ca'), join(folder, 'trust')]
  const start = (): Promise<EgressProcess> => startEgress(t, '', { args: ['--ca', ca, '--trust', trust] })
  const egress = await start()
  assert.deepEqual((await readdir(ca)).toSorted(), ['ca-key.pem', 'ca.pem'])
  const certificate = await readFile(join(ca, 'ca.pem'), 'utf8')
  assert.ok((await readFile(join(trust, 'ca-bundle.pem'), 'utf8')).includes(certificate.trim()))
  for (const path of await readdir(trust, { recursive: true }))
    if ((await stat(join(trust, path))).isFile())
      assert.doesNotMatch(await readFile(join(trust, path), 'latin1'), /PRIVATE KEY/)
  const before = await stat(join(trust, 'certs/agentcage.pem'))
  await egress.stop()
  await (await start()).stop()
  // A workload that still runs has these very files.
  assert.equal((await stat(join(trust, 'certs/agentcage.pem'))).ino, before.ino)
})

test('values that the host has fetched are used, whatever the source is', async (t) => {
  const folder = await withFolder(t)
  const values = await openSecretStore(join(folder, 'values'))
  await values.set('KEY', 'a-value-of-the-host')
  const config = {
    domains: { list: ['api.test'] },
    secret_injection: [{ env: 'KEY', source: 'cmd:/nonexistent', inject_to: ['api.test'] }],
  }
  await (await startEgress(t, config, { args: ['--values', join(folder, 'values')] })).stop()
  await assert.rejects(startEgress(t, config, { args: ['--values', join(folder, 'none')], env: { KEY: 'other' } }))
})

test('a state folder that others may enter, a link in its place, and nothing to listen on', async (t) => {
  const folder = await withFolder(t)
  await writeFile(join(folder, 'cage.yaml'), '')
  await mkdir(join(folder, 'open'))
  await chmod(join(folder, 'open'), 0o755)
  await mkdir(join(folder, 'private'), { mode: 0o700 })
  await symlink('private', join(folder, 'link'))
  const start = (...args: readonly string[]) =>
    run(process.execPath, [PROGRAM, 'egress', '-c', 'cage.yaml', ...args], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder, ...COMPILED },
    })
  const cases = [
    {
      args: ['--state', 'open', '--proxy', '127.0.0.1:0'],
      code: 1,
      says: /^error: open has mode 0755.*\n  .*chmod 0700/s,
    },
    { args: ['--state', 'link', '--proxy', '127.0.0.1:0'], code: 1, says: /^error: link is a symbolic link\n/ },
    { args: ['--state', 'link/', '--proxy', '127.0.0.1:0'], code: 1, says: /^error: link is a symbolic link\n/ },
    { args: ['--state', 'cage.yaml', '--proxy', '127.0.0.1:0'], code: 1, says: /^error: cage.yaml is not a folder\n/ },
    { args: ['--state', 'private'], code: 2, says: /^error: nothing to listen on\n/ },
  ]
  for (const { args, code, says } of cases) {
    const result = await start(...args)
    assert.equal(result.code, code, result.stderr)
    assert.equal(result.stdout, '')
    assert.match(result.stderr, says)
  }
})
