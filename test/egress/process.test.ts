/**
 * `agentcage egress` as a process: it says once where it serves, takes up a changed configuration by SIGHUP and by
 * itself, keeps the last good one when the file is bad and says so, denies when its audit log is full, drains on
 * SIGTERM, and does not start at all where something is wrong, with the reason and the right exit code.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { stringify } from 'yaml'
import { verifyLog } from '../../src/audit/verify.ts'
import { run } from '../support/command.ts'
import { startEgress, type EgressProcess } from '../support/egress-process.ts'
import { json } from '../support/http-response.ts'
import { startInternet, type Internet } from '../support/internet.ts'
import { connectTcp, connectTunnel, get, rawRequest, tlsOver } from '../support/proxy-client.ts'
import { findTool } from '../support/requires.ts'
import { withFolder } from '../support/temporary.ts'
import { COMPILED, PROGRAM } from '../support/program.ts'

function configOf(internet: Internet, more: Readonly<Record<string, unknown>> = {}) {
  return {
    name: 'box',
    domains: { list: ['api.test', 'plain.test'] },
    rate_limit: { requests_per_second: 0 },
    upstream: internet.upstream,
    ...more,
  }
}

test('serves proxy, captured connections and DNS, with secrets from its environment', async (t) => {
  await using internet = await startInternet({ 'api.test': {}, 'plain.test': { kind: 'http' } })
  const config = configOf(internet, {
    secret_injection: [{ env: 'KEY', placeholder: 'agentcage-placeholder', inject_to: ['api.test'] }],
  })
  const args = ['--transparent', '127.0.0.1:0=443', '--transparent', '127.0.0.1:0=80', '--dns', '127.0.0.1:0']
  const egress = await startEgress(t, config, { args, env: { KEY: 'the-real-value' } })
  assert.match(egress.proxy, /^127\.0\.0\.1:\d+$/)
  assert.equal(egress.transparent.length, 2)
  assert.match(egress.dns, /^127\.0\.0\.1:\d+$/)
  const viaProxy = await get('https://api.test/', { ...client(egress), headers: { 'X-Key': 'agentcage-placeholder' } })
  assert.ok((json(viaProxy)['headers'] as string[]).includes('agentcage-placeholder'))
  const secure = await tlsOver(await connectTcp(egress.transparent[0] ?? ''), { ca: egress.ca, servername: 'api.test' })
  assert.equal((await rawRequest(secure, 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')).status, 200)
  secure.destroy()
  const plain = await rawRequest(
    await connectTcp(egress.transparent[1] ?? ''),
    'GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n',
  )
  assert.equal(plain.status, 200)
  const records = await egress.audit()
  assert.deepEqual(
    records.map(({ url, cage, secrets_injected }) => [url, cage, secrets_injected]),
    [
      ['https://api.test/', 'box', ['KEY']],
      ['https://api.test/', 'box', undefined],
      ['http://plain.test/', 'box', undefined],
    ],
  )
  const folder = dirname(egress.caPath)
  const key = (await run('find', [folder, '-type', 'f', '!', '-perm', '0600'])).stdout.trim().split('\n')
  assert.deepEqual(
    key.filter((path) => path !== '' && !path.endsWith(egress.caPath)),
    [],
  )
  assert.equal((await stat(folder)).mode & 0o777, 0o700)
  await egress.stop()
  assert.ok((await verifyLog(egress.auditPath)).ok)
})

describe('a changed configuration', () => {
  test('counts by itself and by SIGHUP; a bad one does not, and is named; a live stream that it forbids is cut', async (t) => {
    await using internet = await startInternet({
      'api.test': {
        streaming: (request, response) =>
          request.url === '/stream' ? void response.write('begun') : void response.end('ok'),
      },
    })
    const egress = await startEgress(t, configOf(internet))
    // In one step, as careful editors do: a half-written file would be another change.
    const put = async (text: string) => {
      await writeFile(`${egress.configPath}.new`, text)
      await rename(`${egress.configPath}.new`, egress.configPath)
    }
    const status = async () => (await get('https://api.test/', client(egress))).status
    const live = await tlsOver(await connectTunnel(egress.proxy, 'api.test:443'), {
      ca: egress.ca,
      servername: 'api.test',
    })
    live.write('GET /stream HTTP/1.1\r\nHost: api.test\r\n\r\n')
    await once(live, 'data')
    assert.equal(await status(), 200)

    const cut = once(
      live.on('error', () => {}),
      'close',
    )
    await put(stringify(configOf(internet, { domains: { list: [] } })))
    await egress.says(times(1, 'configuration reloaded'))
    await cut
    const { decision, code } = await egress.record(({ path }) => path === '/stream')
    assert.deepEqual([decision, code, await status()], ['blocked', 'domain_denied', 403])

    await put('domains: {list: [api.test]}\nunknown_key: 1\n')
    await egress.says(/configuration not reloaded, the last good one stays in force: .*cage\.yaml:2:1: .*unknown_key/)
    assert.equal(await status(), 403)
    egress.signal('SIGHUP')
    await egress.says(times(2, 'configuration not reloaded'))
    assert.equal(await status(), 403)

    await put(stringify(configOf(internet)))
    await egress.says(times(2, 'configuration reloaded'))
    assert.equal(await status(), 200)
    egress.signal('SIGHUP')
    await egress.says(times(3, 'configuration reloaded'))
    assert.equal(await status(), 200)
  })
})

function times(count: number, text: string): RegExp {
  return new RegExp(`(?:${text}[^]*){${count}}`)
}

describe('SIGTERM', () => {
  test('lets a response that is under way end, takes nothing new, and exits with 0', async (t) => {
    let finish: (() => void) | undefined
    await using internet = await startInternet({
      'plain.test': {
        kind: 'http',
        streaming: (_request, response) => {
          response.write('begun ')
          finish = () => response.end('and ended')
        },
      },
    })
    const egress = await startEgress(t, configOf(internet))
    const idle = await connectTunnel(egress.proxy, 'plain.test:80')
    const socket = await connectTunnel(egress.proxy, 'plain.test:80')
    socket.write('GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n')
    await once(socket, 'readable')
    const stopped = egress.stop()
    await once(idle.resume(), 'close')
    await assert.rejects(connectTcp(egress.proxy), { code: 'ECONNREFUSED' })
    finish?.()
    assert.equal((await rawRequest(socket, '')).body.toString(), 'begun and ended')
    await stopped
    assert.deepEqual(
      (await egress.audit()).map(({ decision, code }) => [decision, code]),
      [['allowed', '']],
    )
  })

  test('with nothing under way ends at once, connections that wait notwithstanding', async (t) => {
    await using internet = await startInternet({ 'api.test': {} })
    const egress = await startEgress(t, configOf(internet))
    const kept = await tlsOver(await connectTunnel(egress.proxy, 'api.test:443'), {
      ca: egress.ca,
      servername: 'api.test',
    })
    await rawRequest(kept, 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')
    const sockets = [await connectTcp(egress.proxy), await connectTunnel(egress.proxy, 'api.test:443'), kept]
    for (const socket of sockets) socket.on('error', () => {}).resume()
    await egress.stop()
    for (const socket of sockets) socket.destroy()
  })
})

test(
  'a full audit log denies, and records again when there is room',
  { skip: findTool('prlimit') === undefined && 'prlimit is missing' },
  async (t) => {
    await using internet = await startInternet({ 'api.test': {} })
    const egress = await startEgress(t, configOf(internet))
    assert.equal((await get('https://api.test/', client(egress))).status, 200)
    const { size } = await stat(egress.auditPath)
    await run('prlimit', ['--pid', String(egress.pid), `--fsize=${size + 100}:unlimited`])
    // The first finds out when its answer is there already: that stays incomplete, or is not given. Later ones are
    // denied at once.
    const first = await get('https://api.test/', client(egress)).catch((error: unknown) => error)
    if (first instanceof Error) assert.match(first.message, /ended/)
    else assert.equal((first as { readonly status: number }).status, 403)
    const denied = await get('https://api.test/', client(egress))
    assert.deepEqual([denied.status, json(denied)['code']], [403, 'audit_unavailable'])
    assert.equal((await get('https://evil.test/', client(egress))).status, 403)
    assert.equal((await stat(egress.auditPath)).size, size)
    await run('prlimit', ['--pid', String(egress.pid), '--fsize=unlimited:unlimited'])
    // It tries again at most once a second.
    while ((await get('https://api.test/', client(egress))).status !== 200)
      await new Promise((resolve) => setTimeout(resolve, 50))
    await egress.stop()
    assert.ok((await verifyLog(egress.auditPath)).ok)
  },
)

describe('does not start', { concurrency: 4 }, () => {
  interface Start {
    readonly config?: string
    readonly args?: readonly string[]
    readonly prepare?: (folder: string) => Promise<void>
  }
  async function start(
    folder: string,
    { config = 'domains: {list: [api.test]}\n', args = ['--proxy', '127.0.0.1:0'], prepare }: Start,
  ) {
    await writeFile(join(folder, 'cage.yaml'), config)
    await prepare?.(folder)
    const child = spawn(process.execPath, [PROGRAM, 'egress', '-c', 'cage.yaml', '--state', 'state', ...args], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder, ...COMPILED },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
      child.kill()
    })
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, stdout, stderr }
  }

  const wrong: Readonly<Record<string, Start & { readonly code: number; readonly says: RegExp }>> = {
    'an unknown key': { config: 'domainz: {}\n', code: 2, says: /cage\.yaml:1:1: .*domainz.*did you mean .*domains/ },
    'YAML that is none': { config: 'a: [\n', code: 2, says: /cage\.yaml:\d+:\d+: / },
    'no file': {
      prepare: (folder) => run('rm', [join(folder, 'cage.yaml')]).then(() => {}),
      code: 2,
      says: /cage\.yaml/,
    },
    'a ca_file that is missing': {
      config: 'upstream: {ca_file: nowhere.pem}\n',
      code: 2,
      says: /upstream\.ca_file: .*nowhere\.pem/,
    },
    'a ca_file without certificates': {
      config: 'upstream: {ca_file: cage.yaml}\n',
      code: 2,
      says: /upstream\.ca_file: .*cage\.yaml cannot be used: it holds no certificate/,
    },
    'a secret without a value': {
      config: 'secret_injection: [{env: NO_SUCH_KEY, inject_to: [api.test]}]\n',
      code: 1,
      says: /missing secrets[^]*NO_SUCH_KEY/,
    },
    'a state folder that others can enter': {
      prepare: async (folder) => {
        await mkdir(join(folder, 'state'))
        await chmod(join(folder, 'state'), 0o755)
      },
      code: 1,
      says: /state/,
    },
    'an authority that is broken': {
      prepare: async (folder) => {
        await mkdir(join(folder, 'state'), { mode: 0o700 })
        await mkdir(join(folder, 'state/ca'), { mode: 0o700 })
        await writeFile(join(folder, 'state/ca/ca.pem'), 'nonsense', { mode: 0o600 })
      },
      code: 1,
      says: /state\/ca/,
    },
    'an address that is not here': {
      args: ['--proxy', '192.0.2.1:0'],
      code: 1,
      says: /cannot listen on 192\.0\.2\.1:0: EADDRNOTAVAIL/,
    },
    'an address that is none': { args: ['--proxy', 'nonsense'], code: 2, says: /--proxy: must be ADDRESS:PORT/ },
  }
  for (const [what, { code, says, ...how }] of Object.entries(wrong)) {
    test(`with ${what}: exit ${code}`, async (t) => {
      const outcome = await start(await withFolder(t), how)
      assert.deepEqual([outcome.code, outcome.stdout], [code, ''], outcome.stderr)
      assert.match(outcome.stderr, says)
    })
  }

  test('where a port is in use: exit 1, with the port, and the others are free again', async (t) => {
    const taken = net.createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    t.after(() => taken.close())
    const { port } = taken.address() as net.AddressInfo
    for (const flag of ['--proxy', '--transparent', '--dns']) {
      const args = [...(flag === '--proxy' ? [] : ['--proxy', '127.0.0.1:0']), flag, `127.0.0.1:${port}`]
      const outcome = await start(await withFolder(t), { args })
      assert.deepEqual([outcome.code, outcome.stdout], [1, ''], outcome.stderr)
      assert.match(outcome.stderr, new RegExp(`cannot listen on 127\\.0\\.0\\.1(?::| port )${port}`))
    }
  })

  test('where another egress writes the audit log: exit 1', async (t) => {
    await using internet = await startInternet()
    const egress = await startEgress(t, configOf(internet))
    const outcome = await start(await withFolder(t), { args: ['--proxy', '127.0.0.1:0', '--audit', egress.auditPath] })
    assert.deepEqual([outcome.code, outcome.stdout], [1, ''], outcome.stderr)
    assert.match(outcome.stderr, /audit/)
  })
})

test('a later start goes on with the log of an earlier one', async (t) => {
  await using internet = await startInternet({ 'api.test': {} })
  const first = await startEgress(t, configOf(internet))
  await get('https://api.test/', client(first))
  await first.stop()
  const state = dirname(first.auditPath)
  const second = await startEgress(t, configOf(internet), { args: ['--audit', join(state, 'audit.jsonl')] })
  await get('https://api.test/', client(second))
  await second.stop()
  const lines = (await readFile(first.auditPath, 'utf8')).trim().split('\n')
  assert.equal(lines.length, 2)
  assert.ok((await verifyLog(first.auditPath)).ok)
})

function client({ proxy, ca }: EgressProcess) {
  return { proxy, ca }
}
