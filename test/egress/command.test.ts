/**
 * What `agentcage egress` refuses before it serves, with the reason and what to do; and DNS where it is asked over IPv6.
 */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { run } from '../support/command.ts'
import { startEgress } from '../support/egress-process.ts'
import { withFolder } from '../support/temporary.ts'

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

const COMMAND = join(import.meta.dirname, '../../bin/agentcage.ts')

test('a state folder that others may enter, a link in its place, and nothing to listen on', async (t) => {
  const folder = await withFolder(t)
  await writeFile(join(folder, 'cage.yaml'), '')
  await mkdir(join(folder, 'open'))
  await chmod(join(folder, 'open'), 0o755)
  await mkdir(join(folder, 'private'), { mode: 0o700 })
  await symlink('private', join(folder, 'link'))
  const start = (...args: readonly string[]) =>
    run(process.execPath, [COMMAND, 'egress', '-c', 'cage.yaml', ...args], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder },
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
